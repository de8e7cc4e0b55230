import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import {
  type _Answer,
  _echo,
  _expectProblem,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
} from "./_producer.ts";

let stores: _Stores;
let one: _Producer;
let other: _Producer;

beforeAll(async () => {
  stores = await _openStores();
  [one, other] = await Promise.all([_startProducer(stores), _startProducer(stores)]);
});
afterEach(() => stores.clear());
afterAll(async () => {
  await Promise.all([one.close(), other.close()]);
  await stores.close();
});

function expectReplay(answer: _Answer, first: _Answer) {
  expect([answer.status, answer.text]).toEqual([first.status, first.text]);
  expect(answer.headers.get("idempotency-replayed")).toBe("true");
  expect(answer.headers.get("location")).toBe(first.headers.get("location"));
  expect(first.headers.get("idempotency-replayed")).toBeNull();
}

async function settle(id: string) {
  await stores.sql`
    update jobs set status = 'completed', attempts = 1, result = '{"message":"hi"}', settled_at = now()
    where id = ${id}`;
}

test("an Idempotency-Key with another body or address is refused", async () => {
  const headers = { "Idempotency-Key": "order-1" };
  const first = await one.post(_echo("a"), headers);
  expect(first.status).toBe(201);
  for (const answer of [
    await one.post(_echo("b"), headers),
    await other.post(`${JSON.stringify(_echo("a"))} `, headers),
    await one.bulk([_echo("a")], "", headers),
    await one.request("/v1/jobs?dryRun=false", {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json" },
      body: JSON.stringify(_echo("a")),
    }),
  ]) {
    _expectProblem(answer, "idempotency-key-reused");
  }
  expect(await stores.count()).toMatchObject({ jobs: 1, keys: 1, dispatched: 1 });
});

test("a refused request does not use its Idempotency-Key", async () => {
  const headers = { "Idempotency-Key": "order-2" };
  _expectProblem(await one.post({ type: "echo", data: {} }, headers), "invalid-job");
  _expectProblem(await one.bulk([{}], "", headers), "invalid-bulk");
  expect((await one.post(_echo(), headers)).status).toBe(201);
});

test("a repeated request gets the original response byte for byte from any producer", async () => {
  const headers = { "Idempotency-Key": "Ordnung 3: ä" };
  const first = await one.post(_echo("a", { delayMs: 60_000, key: "k" }), headers);
  expect(first.status).toBe(201);
  for (const producer of [one, other]) {
    expectReplay(await producer.post(_echo("a", { delayMs: 60_000, key: "k" }), headers), first);
  }
  await settle(first.body.id);
  expectReplay(await one.post(_echo("a", { delayMs: 60_000, key: "k" }), headers), first);
  expect(await stores.count()).toMatchObject({ jobs: 1, dispatched: 1 });
});

test("the replay of a duplicate is the duplicate, even after its job has ended", async () => {
  const existing = await one.post(_echo("a", { key: "k" }));
  const headers = { "Idempotency-Key": "order-4" };
  const duplicate = await one.post(_echo("b", { key: "k" }), headers);
  expect([duplicate.status, duplicate.body.outcome]).toEqual([200, "duplicate"]);
  expect(duplicate.body.id).toBe(existing.body.id);
  await settle(existing.body.id);
  expectReplay(await other.post(_echo("b", { key: "k" }), headers), duplicate);
  expect(await stores.count()).toMatchObject({ jobs: 1 });
});

test("a bulk response is replayed as a whole", async () => {
  await one.post(_echo("a", { key: "k" }));
  const entries = [_echo("b", { key: "k" }), _echo("c"), { type: "nope" }];
  const headers = { "Idempotency-Key": "bulk-1" };
  const first = await one.bulk(entries, "?atomicity=partial", headers);
  expect([first.status, first.body.counts]).toEqual([
    207,
    { created: 1, duplicate: 1, rejected: 1 },
  ]);
  expectReplay(await other.bulk(entries, "?atomicity=partial", headers), first);
  _expectProblem(await one.bulk(entries, "?atomicity=all", headers), "invalid-bulk");
  _expectProblem(
    await one.bulk([_echo("c")], "?atomicity=partial", headers),
    "idempotency-key-reused",
  );
  expect(await stores.count()).toMatchObject({ jobs: 2, dispatched: 2 });
});

test("the response of a bulk with only rejected entries is replayed", async () => {
  const headers = { "Idempotency-Key": "bulk-2" };
  const first = await one.bulk([{}, {}], "?atomicity=partial", headers);
  expect([first.status, first.body.counts.rejected]).toEqual([207, 2]);
  expectReplay(await one.bulk([{}, {}], "?atomicity=partial", headers), first);
});

test("two concurrent identical requests create one job, fifty times", async () => {
  for (let round = 0; round < 50; round += 1) {
    const headers = { "Idempotency-Key": `round-${round}` };
    const body = JSON.stringify(_echo(`round ${round}`));
    const answers = await Promise.all([one, other, one, other].map((p) => p.post(body, headers)));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    const replays = answers.filter(({ headers }) => headers.has("idempotency-replayed"));
    expect(replays.length).toBe(3);
  }
  expect(await stores.count()).toMatchObject({ jobs: 50, keys: 50, dispatched: 50 });
});

test("two concurrent identical bulks create one set of jobs", async () => {
  for (let round = 0; round < 10; round += 1) {
    const headers = { "Idempotency-Key": `bulk-round-${round}` };
    const answers = await Promise.all(
      [one, other].map((p) => p.bulk([_echo("a"), _echo("b", { key: "k" })], "", headers)),
    );
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect(answers[0]!.text).toBe(answers[1]!.text);
  }
  expect(await stores.count()).toMatchObject({ jobs: 11, keys: 10, dispatched: 11 });
});

test("of two concurrent bodies with one Idempotency-Key one is accepted", async () => {
  for (let round = 0; round < 10; round += 1) {
    const headers = { "Idempotency-Key": `race-${round}` };
    const answers = await Promise.all(
      ["a", "b", "a", "b"].map((message, n) =>
        [one, other][n % 3 === 0 ? 0 : 1]!.post(_echo(message), headers),
      ),
    );
    const statuses = answers.map(({ status }) => status);
    expect([
      [201, 422, 201, 422],
      [422, 201, 422, 201],
    ]).toContainEqual(statuses);
  }
  expect(await stores.count()).toMatchObject({ jobs: 10 });
});

test("a repeated request is replayed although another body was sent with its key", async () => {
  const headers = { "Idempotency-Key": "mixed" };
  const first = await one.post(_echo("a"), headers);
  // These requests share a batch with the refused ones.
  for (let round = 0; round < 10; round += 1) {
    const [wrong, again, once, wrongToo] = await Promise.all(
      ["b", "a", "a", "c"].map((message) => one.post(_echo(message), headers)),
    );
    _expectProblem(wrong!, "idempotency-key-reused");
    _expectProblem(wrongToo!, "idempotency-key-reused");
    expectReplay(again!, first);
    expectReplay(once!, first);
  }
});

test("a key returns the pending job until the job has ended", async () => {
  const first = await one.post(_echo("a", { key: "k" }));
  expect([first.status, first.body.outcome, first.body.key]).toEqual([201, "created", "k"]);
  const again = await other.post(_echo("b", { key: "k", delayMs: 5000 }));
  expect([again.status, again.body]).toEqual([200, { ...first.body, outcome: "duplicate" }]);
  expect(again.headers.get("location")).toBe(first.headers.get("location"));
  const elsewhere = await one.post({
    type: "feed.fetch",
    data: { url: "http://x.test/" },
    key: "k",
  });
  expect(elsewhere.status).toBe(201);
  await settle(first.body.id);
  const anew = await one.post(_echo("c", { key: "k" }));
  expect(anew.status).toBe(201);
  expect(anew.body.id).not.toBe(first.body.id);
  expect(await stores.count()).toMatchObject({ jobs: 3, dispatched: 3 });
});

test("one key sent concurrently to two producers creates one job, fifty times", async () => {
  for (let round = 0; round < 50; round += 1) {
    const answers = await Promise.all(
      [one, other, one].map((p, n) => p.post(_echo(`${n}`, { key: `k${round}` }))),
    );
    expect(answers.map(({ status }) => `${status}`).toSorted()).toEqual(["200", "200", "201"]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  }
  expect(await stores.count()).toMatchObject({ jobs: 50, dispatched: 50 });
});

test("keys in opposite order on two producers do not deadlock", async () => {
  const keys = Array.from({ length: 100 }, (_, n) => `k${n}`);
  const [up, down] = await Promise.all([
    one.bulk(keys.map((key) => _echo("up", { key }))),
    other.bulk(keys.toReversed().map((key) => _echo("down", { key }))),
  ]);
  expect([up.status, down.status]).toEqual([201, 201]);
  expect(up.body.counts.created + down.body.counts.created).toBe(100);
  expect(up.body.counts.duplicate + down.body.counts.duplicate).toBe(100);
  expect(await stores.count()).toMatchObject({ jobs: 100, dispatched: 100 });
});
