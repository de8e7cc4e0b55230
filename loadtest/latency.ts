import { type Client, createClient } from "@toril/client";

/** Measures, on an idle stack, how late delayed jobs are and how soon a cancelled attempt ends. */
const { BASE_URL = "http://127.0.0.1:3000", API_KEY, JOBS = "300" } = process.env;
const count = Number(JOBS);

const client = createClient({
  baseUrl: BASE_URL,
  ...(API_KEY === undefined ? {} : { apiKey: API_KEY }),
});

/** From the due time of each job until its outcome was recorded. */
async function measureLateness({ createJob, getJob }: Client): Promise<number[]> {
  const jobs = await Promise.all(
    Array.from({ length: count }, async () => {
      const delayMs = 500 + Math.floor(Math.random() * 20 * count);
      return createJob({ type: "echo", data: { message: "late?" }, delayMs });
    }),
  );
  const ended: number[] = [];
  for (const { id, runAt } of jobs) {
    let job = await getJob(id, { wait: 60 });
    while (job.settledAt === null) job = await getJob(id, { wait: 60 });
    ended.push(Date.parse(job.settledAt) - Date.parse(runAt ?? ""));
  }
  return ended;
}

/** From each cancellation until no worker has the job. */
async function measureCancellation({ createJob, getQueue, cancelJob }: Client): Promise<number[]> {
  const taken: number[] = [];
  const active = async () => (await getQueue("default")).counts.active;
  for (let done = 0; done < Math.min(count, 50); done += 1) {
    const data = { message: "sleeps", sleepMs: 60_000 };
    const { id } = await createJob({ type: "echo", data });
    while ((await active()) === 0) await Bun.sleep(5);
    const startedAt = performance.now();
    await cancelJob(id);
    while ((await active()) > 0) await Bun.sleep(1);
    taken.push(performance.now() - startedAt);
  }
  return taken;
}

function describe(name: string, values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1]?.toFixed(0);
  return `${name}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${at(1)} ms (n=${values.length})`;
}

console.log(describe("due to settled", await measureLateness(client)));
console.log(describe("cancelled to aborted", await measureCancellation(client)));
