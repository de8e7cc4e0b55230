import { afterEach, expect, test } from "bun:test";
import type { Job, ListJobsQuery } from "@toril/client";
import { _echo, _expectProblem, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(() => stores.clear());

async function make(count: number): Promise<string[]> {
  const entries = Array.from({ length: count }, (_, n) => _echo(`${n}`));
  const { body } = await producer.bulk(entries);
  return body.results.map(({ id }: { id: string }) => id);
}

/** Reads all pages; `between` runs after each. */
async function walk(query: ListJobsQuery, between?: () => Promise<unknown>): Promise<Job[]> {
  const jobs: Job[] = [];
  let cursor: string | undefined;
  do {
    const page = await producer.client.listJobs(
      cursor === undefined ? query : { ...query, cursor },
    );
    expect(page.items.length).toBeLessThanOrEqual(query.limit ?? 50);
    jobs.push(...page.items);
    cursor = page.next ?? undefined;
    await between?.();
  } while (cursor !== undefined);
  return jobs;
}

test("an invalid cursor is refused", async () => {
  for (const cursor of ["x", "null", btoa("1"), btoa("' or 1=1"), "\0", "ä"]) {
    const answer = await producer.request(`/v1/jobs?cursor=${encodeURIComponent(cursor)}`);
    _expectProblem(answer, "invalid-parameter");
  }
});

test("without jobs the list is one empty page", async () => {
  expect(await producer.client.listJobs()).toEqual({ items: [], next: null });
});

test("the page with the last job has no next page", async () => {
  await make(3);
  expect((await producer.client.listJobs({ limit: 3 })).next).toBeNull();
  expect((await producer.client.listJobs({ limit: 2 })).next).not.toBeNull();
});

test("paging returns every job once, newest first, while jobs are created and settled", async () => {
  const ids = await make(95);
  const seen = await walk({ limit: 10 }, async () => {
    await make(7);
    await stores.sql`
      update jobs set status = 'completed', result = 'null', settled_at = now()
      where id in (select id from jobs where status = 'pending' order by id limit 3)`;
  });
  expect(seen.map(({ id }) => id)).toEqual(ids.toReversed());
});

test("a page contains up to 500 jobs and 50 by default", async () => {
  await make(501);
  expect((await producer.client.listJobs()).items.length).toBe(50);
  const page = await producer.client.listJobs({ limit: 500 });
  expect(page.items.length).toBe(500);
  expect(page.items.every(({ state }) => state === "waiting")).toBe(true);
});

test("filters narrow the list, alone and together", async () => {
  const [done = ""] = await make(4);
  await stores.sql`update jobs set status = 'completed', settled_at = now() where id = ${done}`;
  const { body: feed } = await producer.post({
    type: "feed.fetch",
    data: { url: "http://x.test/" },
  });
  const { body: made } = await producer.csv("a\n1\n2\n3\n");
  const listIds = async (query: ListJobsQuery) =>
    (await walk({ ...query, limit: 2 })).map(({ id }) => id);

  expect(await listIds({ status: "completed" })).toEqual([done]);
  expect((await listIds({ status: "pending" })).length).toBe(7);
  expect(await listIds({ status: "dead" })).toEqual([]);
  expect(await listIds({ type: "feed.fetch" })).toEqual([feed.id]);
  expect((await listIds({ importId: made.id })).length).toBe(3);
  expect((await listIds({ type: "echo", status: "pending" })).length).toBe(3);
  expect(await listIds({ importId: made.id, type: "echo" })).toEqual([]);
});

test("a page is limited in bytes, and contains more jobs without payloads", async () => {
  const ids = await make(7);
  const large = JSON.stringify({ message: "x".repeat(900_000) });
  await stores.sql`update jobs set data = ${large}::text::jsonb`;
  const sizes: number[] = [];
  const seen: string[] = [];
  for (let query = "?limit=500"; query !== "";) {
    const { body, text } = await producer.request(`/v1/jobs${query}`);
    sizes.push(text.length);
    seen.push(...body.items.map(({ id }: Job) => id));
    query = body.next === null ? "" : `?limit=500&cursor=${body.next}`;
  }
  expect(Math.max(...sizes)).toBeLessThan(3_500_000);
  expect(seen).toEqual(ids.toReversed());

  const live = await producer.request("/v1/jobs?queue=default&state=waiting&limit=500");
  expect(live.text.length).toBeLessThan(3_500_000);
  expect(await walk({ queue: "default", state: "waiting", limit: 500 })).toHaveLength(7);
  const { items, next } = await producer.client.listJobs({ omit: "payload" });
  expect(next).toBeNull();
  expect(items.map(({ id, data }) => [id, data])).toEqual(seen.map((id) => [id, null]));
});
