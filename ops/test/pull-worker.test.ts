import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@toril/client";
import { createRegistry, defineJob } from "@toril/contract";
import { z } from "zod";
import { startRedis } from "../dev/stores/redis.ts";
import { until } from "../dev/until.ts";
import { _startOwnService } from "./_own-service.ts";

const countWords = (language: string) =>
  defineJob({
    type: `count.${language}`,
    queue: `texts-${language}`,
    worker: "pull",
    data: z.strictObject({ text: z.string() }).meta({ example: { text: "to be" } }),
    result: z.strictObject({ words: z.int() }),
  });

const examples = join(import.meta.dir, "../examples/workers");
const jobCount = 2000;

/** The commands of the example workers; undefined if the language is not installed. */
const workers: Record<string, (folder: string) => Promise<string[]>> = {
  python3: async () => ["python3", join(examples, "worker.py")],
  go: async (folder) => {
    const program = join(folder, "worker");
    const command = ["go", "build", "-o", program, join(examples, "worker.go")];
    const build = Bun.spawn(command, { env: { ...process.env, GO111MODULE: "off" } });
    expect(await build.exited).toBe(0);
    return [program];
  },
  php: async () => ["php", join(examples, "worker.php")],
  node: async () => ["node", join(examples, "worker.ts")],
};

const languages = Object.keys(workers).filter((language) => Bun.which(language) !== null);
const jobTypes = createRegistry(languages.map(countWords));
const opened = new AsyncDisposableStack();
const runs = new Map<string, Promise<string[]>>();

// All languages at once: most of the time passes until leases expire.
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "toril-worker-"));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const redis = opened.use(await startRedis({ dir: join(folder, "redis") }));
  const settings = { redisUrl: redis.url, consumerEnv: { RECONCILE_GRACE_MS: "500" } };
  const service = opened.use(await _startOwnService(jobTypes, {}, settings));
  for (const language of languages) {
    const run = killInTheMiddle(service, language, folder);
    run.catch(() => {});
    runs.set(language, run);
  }
});

afterAll(async () => {
  await Promise.allSettled(runs.values());
  await opened.disposeAsync();
});

type Service = Awaited<ReturnType<typeof _startOwnService>>;

let flushing: Promise<unknown> | undefined;

/** Kills workers of a language and flushes Redis once; returns what is wrong after all jobs have ended. */
async function killInTheMiddle({ url, sql, redis }: Service, language: string, folder: string) {
  const command = await workers[language]!(folder);
  const type = `count.${language}`;
  const requests = Array.from({ length: jobCount }, (_, index) => ({
    type,
    data: { text: "word ".repeat(index % 7) },
  }));
  const created = await createClient({ baseUrl: url.href }).createJobs(requests);
  expect(created.counts.created).toBe(jobCount);

  const env = { ...process.env, TORIL_URL: url.origin, TORIL_TYPE: type, LEASE_MS: "1000" };
  const count = async () => {
    const [row] = await sql<{ completed: number }[]>`
      select count(*)::int as completed from jobs where type = ${type} and status = 'completed'`;
    return row!.completed;
  };
  const waitFor = (share: number) => {
    const isReached = async () => (await count()) >= share * jobCount || undefined;
    return until(`${share} of the jobs are completed`, isReached, { timeoutMs: 120_000 });
  };
  for (const share of [0.2, 0.5, 1]) {
    const worker = Bun.spawn(command, { env, stdout: "ignore", stderr: "ignore" });
    try {
      await waitFor(share - 0.1);
      if (share === 0.5) await (flushing ??= redis.flushall());
      await waitFor(share);
    } finally {
      worker.kill("SIGKILL");
      await worker.exited;
    }
  }
  const wrong = await sql<{ id: string }[]>`
    select id from jobs where type = ${type}
      and (result ->> 'words')::int <> cardinality(regexp_split_to_array(data ->> 'text', 'word')) - 1`;
  const metrics = await (await fetch(new URL("/metrics", url))).text();
  const settled = `{queue="texts-${language}",type="${type}",outcome="completed"} ${jobCount}\n`;
  return [
    ...wrong.map(({ id }) => `${id} has a wrong result`),
    ...(metrics.includes(`bullmq_jobs_processed_total${settled}`)
      ? []
      : ["settled more than once"]),
  ];
}

for (const language of Object.keys(workers)) {
  // A skipped test is listed: the language is not installed.
  test.skipIf(!languages.includes(language))(
    `${language} workers are killed in the middle of jobs, Redis is flushed, and each job is settled once`,
    async () => {
      expect(await runs.get(language)).toEqual([]);
    },
  );
}
