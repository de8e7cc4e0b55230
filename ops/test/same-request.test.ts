import { createClient } from "@toril/client";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { echo, getJobId, postJob, type PostResult } from "./_api.ts";
import { startStack, type Stack } from "./_stack.ts";

const rounds = 50;
let stack: Stack;
let urls: string[];

beforeAll(async () => {
  stack = await startStack({ producers: 2, consumers: 0 });
  urls = stack.producers.map(({ url }) => url);
});

afterAll(() => stack[Symbol.asyncDispose]());

test("two concurrent requests with the same Idempotency-Key create one job and get the same response", async () => {
  for (let round = 0; round < rounds; round++) {
    const idempotencyKey = `same ${round}`;
    const answers = await _atOnce((url) => postJob(url, echo(idempotencyKey), { idempotencyKey }));
    expect(new Set(answers.map(getJobId)).size).toBe(1);
    expect(_statuses(answers)).toEqual([201, 201]);
    expect(answers.filter(({ isReplayed }) => isReplayed)).toHaveLength(1);
    expect(_getJob(answers[0]!)).toEqual(_getJob(answers[1]!));
  }
  expect(await _countJobs("same %")).toBe(rounds);
});

test("of two different concurrent requests with the same Idempotency-Key, one is refused", async () => {
  for (let round = 0; round < rounds; round++) {
    const idempotencyKey = `other ${round}`;
    const answers = await _atOnce((url, index) =>
      postJob(url, echo(`${idempotencyKey} by ${index}`), { idempotencyKey }),
    );
    expect(_statuses(answers)).toEqual([201, 422]);
    expect(answers.find(({ status }) => status === 422)).toMatchObject({
      problem: { type: "urn:toril:problem:idempotency-key-reused" },
    });
  }
  expect(await _countJobs("other %")).toBe(rounds);
});

test("of two concurrent requests with the same job key, one creates the job and the other is a duplicate", async () => {
  for (let round = 0; round < rounds; round++) {
    const message = `keyed ${round}`;
    const answers = await _atOnce((url) => postJob(url, { ...echo(message), key: message }));
    expect(new Set(answers.map(getJobId)).size).toBe(1);
    expect(_statuses(answers)).toEqual([200, 201]);
    const outcomes = answers.map((answer) => _getJob(answer).outcome);
    expect(outcomes.toSorted()).toEqual(["created", "duplicate"]);
  }
  expect(await _countJobs("keyed %")).toBe(rounds);
});

test("two concurrent bulk requests with the same Idempotency-Key create the jobs once and get the same response", async () => {
  for (let round = 0; round < rounds; round++) {
    const jobs = [1, 2, 3].map((number) => echo(`bulk ${round}, ${number}`));
    const options = { idempotencyKey: `bulk ${round}` };
    const [one, other] = await _atOnce((baseUrl) =>
      createClient({ baseUrl, retry: false }).createJobs(jobs, options),
    );
    expect(one!.counts.created).toBe(3);
    expect(other).toEqual(one);
  }
  expect(await _countJobs("bulk %")).toBe(3 * rounds);
});

test("many identical concurrent requests get the same job", async () => {
  const idempotencyKey = "many";
  const sending = Array.from({ length: 50 }, () =>
    _atOnce((url) => postJob(url, echo("many"), { idempotencyKey })),
  );
  const answers = (await Promise.all(sending)).flat();
  expect(new Set(answers.map(getJobId)).size).toBe(1);
  expect(answers.filter(({ isReplayed }) => !isReplayed)).toHaveLength(1);
  expect(await _countJobs("many")).toBe(1);
});

function _atOnce<Result>(send: (url: string, index: number) => Promise<Result>): Promise<Result[]> {
  return Promise.all(urls.map(send));
}

function _statuses(answers: readonly PostResult[]): number[] {
  return answers.map(({ status }) => status).toSorted((a, b) => a - b);
}

function _getJob(answer: PostResult) {
  if ("job" in answer) return answer.job;
  throw new Error(`${answer.status} ${answer.problem.title}`);
}

async function _countJobs(message: string): Promise<number> {
  const [found] = await stack.sql<[{ count: number }]>`
    select count(*)::int as count from jobs where data ->> 'message' like ${message}`;
  return found.count;
}
