import { queueKeys } from "@toril/contract/engine/redis/names";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { echo, getJobId, postJob } from "./_api.ts";
import { allCompleted, countsIfSettled, deleteJobs } from "./_ledger.ts";
import { startStack, type Stack, type Store } from "./_stack.ts";

interface Failure {
  name: string;
  fail(postgres: Store): Promise<void>;
  recover(postgres: Store): Promise<void>;
  /** Later than the consumer detects the loss: a statement may take 10 s. */
  dueAfterMs: number;
}

const failures: Failure[] = [
  {
    name: "down",
    fail: (postgres) => postgres.kill("SIGKILL"),
    recover: (postgres) => postgres.restart(),
    dueAfterMs: 5000,
  },
  {
    name: "frozen",
    fail: (postgres) => postgres.kill("SIGSTOP"),
    recover: (postgres) => postgres.kill("SIGCONT"),
    dueAfterMs: 16_000,
  },
];
const env = { REQUEST_TIMEOUT_MS: "2000", FEED_ALLOW_PRIVATE_ADDRESSES: "true" };
/** Postgres fails until the test ends its failure: a request without a deadline takes longer. */
const timeoutMs = 30_000;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env });
});
afterEach(async () => {
  // A failed test may have left Postgres down or frozen.
  await stack.postgres.kill("SIGCONT");
  if (stack.postgres.isDown) await stack.postgres.restart();
  await deleteJobs(stack.sql);
});
afterAll(() => stack[Symbol.asyncDispose]());

test.each(failures)(
  "while Postgres is $name, jobs are refused, results are held and no job starts; afterwards every job is settled once",
  async ({ name, fail, recover, dueAfterMs }) => {
    await using site = _serveFeed();
    const { sql, redisClient, until } = stack;
    const [producer, consumer] = [stack.producers[0]!, stack.consumers[0]!];
    const { active } = queueKeys("bull", "default");

    // A consumer that started recently queries Postgres before every attempt.
    await _post(producer.url, echo("warm-up", { sleepMs: 3500 }));
    await until("the consumer is warmed up", () => countsIfSettled(sql));
    const running = await _post(producer.url, ..._five(echo("held", { sleepMs: 2000 })));
    const isRunning = async () => (await redisClient.llen(active)) === running.length || undefined;
    await until("five jobs are active", isRunning);
    const dueAt = Date.now() + dueAfterMs;
    const fetching: JobRequest = { type: "feed.fetch", data: { url: site.url } };
    await _post(producer.url, ..._five({ ...fetching, delayMs: dueAfterMs }));

    const logged = consumer.log().length;
    await fail(stack.postgres);
    await _expectRefusal(producer.url);
    await until(
      "the consumer has a result that it cannot settle",
      async () => consumer.log().includes("Postgres is unavailable", logged) || undefined,
    );
    await until("the delayed jobs are due", async () => Date.now() > dueAt || undefined);
    await _expectRefusal(producer.url);
    expect((await redisClient.lrange(active, 0, -1)).toSorted()).toEqual(running.toSorted());
    expect(site.requests).toBe(0);

    await recover(stack.postgres);
    await until("jobs are accepted again", async () => {
      const { status } = await postJob(producer.url, echo("back"), {
        idempotencyKey: `back after ${name}`,
      });
      return status === 201 || undefined;
    });
    const ready = async () => (await fetch(`${consumer.url}/readyz`)).ok || undefined;
    await until("the consumer is ready again", ready);
    expect([producer.isDown, consumer.isDown]).toEqual([false, false]);
    const counts = await until("all jobs have ended", () => countsIfSettled(sql));
    expect(counts).toEqual(allCompleted(counts.accepted));
    // The outcome of the two requests answered 503 is unknown.
    expect([12, 13, 14]).toContain(counts.accepted);
    expect(site.requests).toBe(5);
  },
);

function _five(request: JobRequest): JobRequest[] {
  return Array.from({ length: 5 }, () => request);
}

async function _post(url: string, ...requests: JobRequest[]): Promise<string[]> {
  const answers = await Promise.all(requests.map((request) => postJob(url, request)));
  return answers.map(getJobId);
}

async function _expectRefusal(url: string): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  const answer = await postJob(url, echo("refused"), { signal });
  const problem = { type: "urn:toril:problem:at-capacity", status: 503 };
  expect(answer).toMatchObject({ status: 503, problem });
}

/** Serves a feed without items and counts the requests. */
function _serveFeed() {
  let requests = 0;
  const feed = '<rss version="2.0"><channel><title>Quiet</title></channel></rss>';
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch() {
      requests += 1;
      return new Response(feed, { headers: { "Content-Type": "application/rss+xml" } });
    },
  });
  return {
    url: server.url.href,
    get requests() {
      return requests;
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
