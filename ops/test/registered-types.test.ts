import { bullName, queueKeys } from "@toril/contract/engine/redis/names";
import { Worker } from "bullmq";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { stablePort } from "../dev/processes/restartable.ts";
import { allCompleted, countJobs, countsIfSettled, deleteJobs } from "./_ledger.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;
beforeAll(async () => {
  const env = { ALLOW_PRIVATE_ADDRESSES: "true", WORKER_MAX_STALLED_COUNT: "20" };
  stack = await startStack({ producers: 2, env });
});
afterAll(() => stack[Symbol.asyncDispose]());

const mail = {
  worker: "bullmq",
  data: { type: "object", properties: { to: { type: "string" } }, required: ["to"] },
  result: { type: "object", properties: { sent: { type: "boolean" } }, required: ["sent"] },
};

async function send(method: string, address: string, body: object): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  return fetch(address, { method, headers, body: JSON.stringify(body) });
}

const post = async (producer: number, body: object) =>
  (await send("POST", `${stack.producers[producer]!.url}/v1/jobs`, body)).status;

/** Follows the events of a queue at the first producer. */
async function follow(queue: string) {
  const { body } = await fetch(`${stack.producers[0]!.url}/v1/queues/${queue}/events`);
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
  return {
    async waitFor(part: string) {
      for (let text = ""; !text.includes(part);) text += (await reader.read()).value ?? "";
    },
    [Symbol.asyncDispose]: () => reader.cancel(),
  };
}

test("a type registered at one producer is processed by a stock worker, across restarts and FLUSHALL", async () => {
  const { producers, sql, redisClient, until } = stack;
  // A stream reader that runs before the queue exists.
  await using _early = await follow("default");
  const put = await send("PUT", `${producers[1]!.url}/v1/job-types/mail.send`, mail);
  expect(put.status).toBe(201);
  const job = (to: unknown) => ({ type: "mail.send", data: { to } });
  expect(await post(1, job("a"))).toBe(201);
  expect(await post(1, job(1))).toBe(422);

  await using events = await follow("mail.send");
  await redisClient.flushall();
  await stack.producers[1]!.restart();
  expect(await post(1, job("b"))).toBe(201);
  expect(await post(1, job("wrong"))).toBe(201);
  expect(await post(1, job("changed"))).toBe(201);

  const connection = new Redis(stack.redis.url, { maxRetriesPerRequest: null });
  const started: string[] = [];
  const worker = new Worker<{ to: string }>(
    bullName("mail.send"),
    async ({ data: { to } }) => {
      started.push(to);
      if (to === "changed") {
        // The consumer may not have loaded the change when it settles the job.
        const result = { anyOf: [mail.result, { type: "integer" }] };
        await send("PUT", `${producers[0]!.url}/v1/job-types/mail.send`, { ...mail, result });
        return 1;
      }
      return to === "wrong" ? { sent: "yes" } : { sent: true };
    },
    { connection, prefix: "bull" },
  );
  try {
    await until("all jobs have ended", () => countsIfSettled(sql));
    expect(started.toSorted((one, other) => (one < other ? -1 : 1))).toEqual([
      "a",
      "b",
      "changed",
      "wrong",
    ]);
    expect(await countJobs(sql)).toMatchObject({ accepted: 4, completed: 3, dead: 1 });
    const [dead] = await sql`select error from jobs where status = 'dead'`;
    expect(dead).toMatchObject({ error: { name: "InvalidResult" } });
    await events.waitFor('"status":"completed"');
    const { completed } = queueKeys("bull", "mail.send");
    await until("Redis has forgotten them", async () => {
      const left = await redisClient.zcard(completed);
      return left === 0 ? left : undefined;
    });
  } finally {
    await worker.close();
    connection.disconnect();
  }
});

test("a job that is accepted while its type is deleted becomes a dead letter", async () => {
  const { sql, until } = stack;
  await sql`delete from jobs`;
  await send("PUT", `${stack.producers[0]!.url}/v1/job-types/mail.gone`, mail);
  expect(await post(1, { type: "mail.gone", data: { to: "a" } })).toBe(201);
  // As a deletion does that did not see the job.
  await sql`
    update job_types set deleted_at = now(), updated_at = now(), version = version + 1, revision = revision + 100
    where type = 'mail.gone'`;
  await until("the job has ended", () => countsIfSettled(sql));
  const [dead] = await sql`select error from jobs`;
  expect(dead).toMatchObject({ error: { name: "JobTypeDeleted" } });
});

/** Starts the endpoint of the jobs; returns its process. */
function startEndpoint(port: number, privateUrl: string, more: Record<string, string> = {}) {
  const command = [process.execPath, `${import.meta.dir}/_push-endpoint.ts`];
  const { url: TORIL_URL } = stack.producers[1]!;
  const env = { ...process.env, PORT: String(port), PRIVATE_URL: privateUrl, TORIL_URL, ...more };
  return Bun.spawn(command, { env, stdout: "inherit", stderr: "inherit" });
}

test("each job of a push endpoint that fails, hangs, redirects and is killed is settled once", async () => {
  const { producers, sql, until } = stack;
  await deleteJobs(sql);
  const api = `${producers[0]!.url}/v1`;
  const port = await stablePort();
  let redirected = 0;
  const inner = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response(String((redirected += 1))),
  });
  // The jobs that hang are pending until the process is killed.
  let endpoint = startEndpoint(port, inner.url.href, { HANGS: "true" });
  try {
    const registered = await send("PUT", `${api}/job-types/numbers.keep`, {
      worker: "push",
      data: { type: "object", required: ["n"] },
      result: { type: "object", required: ["n"] },
      attempts: 100,
      backoff: { type: "fixed", delay: 50 },
      push: { url: `http://127.0.0.1:${port}/`, timeoutMs: 1000, concurrency: 50 },
    });
    expect(registered.status).toBe(201);
    const jobs = Array.from({ length: 300 }, (_, n) => ({ type: "numbers.keep", data: { n } }));
    expect((await send("POST", `${api}/jobs/bulk`, jobs)).status).toBe(201);
    await until(
      "some jobs are completed",
      async () => (await countJobs(sql)).completed >= 50 || undefined,
      60_000,
    );
    endpoint.kill("SIGKILL");
    await endpoint.exited;
    const { pending } = await countJobs(sql);
    expect(pending).toBeGreaterThan(0);
    endpoint = startEndpoint(port, inner.url.href);
    const counts = await until(
      "all jobs have ended",
      async () => {
        // The circuit may open several times: not to wait for it.
        await send("POST", `${api}/job-types/numbers.keep/endpoint/reset`, {});
        return countsIfSettled(sql);
      },
      120_000,
    );
    expect(counts).toEqual(allCompleted(300));
    const [row] = await sql`
      select count(*) filter (where result = data)::int as kept, count(*) filter (where attempts > 1)::int as repeated from jobs`;
    expect(row!["kept"]).toBe(300);
    // At least those whose first attempt fails, hangs or is redirected.
    expect(row!["repeated"]).toBeGreaterThanOrEqual(150);
    expect(redirected).toBe(0);
  } finally {
    endpoint.kill("SIGKILL");
    await endpoint.exited;
    await inner.stop(true);
  }
}, 240_000);
