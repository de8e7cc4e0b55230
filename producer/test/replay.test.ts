import { afterAll, afterEach, expect, test } from "bun:test";
import { buildOpenApi } from "@toril/contract/api/openapi/openapi";
import { shippedApi } from "../../contract/test/_job-types.ts";
import {
  _echo,
  _expectProblem,
  _json,
  _openStores,
  _startProducer,
  type _Answer,
} from "./_producer.ts";

const stores = await _openStores();
const producer = await _startProducer(stores);
const key = { "Idempotency-Key": "order-1042" };
await stores.sql`create sequence writes`;
await stores.sql.unsafe(`
  create function die() returns trigger language plpgsql as $$ begin
    if nextval('writes') >= tg_argv[0]::int then raise 'the producer has died'; end if;
    return coalesce(new, old);
  end $$`);

/** Makes all writes of Idempotency-Keys fail from the `nth` on, as if the producer had been killed. */
async function _dieAt(nth: number) {
  await stores.sql`alter sequence writes restart`;
  await stores.sql.unsafe(`
    create trigger die before insert or update or delete on idempotency_keys
    for each row execute function die(${nth})`);
}

/** Makes the key old enough to count as abandoned. */
async function _abandon() {
  await stores.sql`drop trigger die on idempotency_keys`;
  await stores.sql`update idempotency_keys set touched_at = now() - interval '61 seconds'`;
}

const _sent = (path: string, body?: unknown, headers: Record<string, string> = key) =>
  producer.request(path, body === undefined ? { method: "POST", headers } : _json(body, headers));

async function _dead() {
  const { body } = await producer.post(_echo());
  await stores.sql`update jobs set status = 'dead', settled_at = now()`;
  return body.id as string;
}

async function _schedule() {
  const nightly = { cron: "30 2 * * *", job: _echo() };
  await producer.request("/v1/schedules/nightly", { ..._json(nightly), method: "PUT" });
}

const _runs = async () =>
  (await stores.sql<{ generation: number }[]>`select generation from jobs`).map(
    ({ generation }) => generation,
  );

interface _Case {
  prepare(): Promise<string>;
  path(id: string): string;
  body?(id: string): unknown;
  /** A change by another client between the crash and the repeated request. */
  meanwhile?(): Promise<unknown>;
  check(answer: _Answer, id: string): Promise<unknown>;
}

const _onceRun: _Case["check"] = async (answer, id) => {
  expect([answer.status, answer.body.id]).toEqual([202, id]);
  expect(answer.headers.get("location")).toBe(`/v1/jobs/${id}`);
  expect(await _runs()).toEqual([1]);
};

const _oneOperation: _Case["check"] = async (answer) => {
  expect(answer.status).toBe(202);
  const rows = await stores.sql<{ id: string }[]>`select id from operations`;
  expect(rows.map(({ id }) => id)).toEqual([answer.body.id]);
  expect(answer.headers.get("location")).toBe(`/v1/operations/${answer.body.id}`);
};

const _webhook = { url: "https://example.org/", events: ["job.dead"] };
const _createWebhook = async () => {
  await stores.sql`truncate webhooks, webhook_deliveries`;
  await producer.request("/v1/webhooks/orders", { ..._json(_webhook), method: "PUT" });
  return "";
};

const _cases: Record<string, _Case> = {
  "a test event": {
    prepare: _createWebhook,
    path: () => "/v1/webhooks/orders/test",
    async check(answer) {
      const rows = await stores.sql<{ id: string }[]>`select id from webhook_deliveries`;
      expect(rows.map(({ id }) => id)).toEqual([answer.body.id]);
    },
  },
  "a webhook that is disabled": {
    prepare: _createWebhook,
    path: () => "/v1/webhooks/orders/disable",
    async check(answer) {
      expect([answer.status, answer.body.enabled]).toEqual([200, false]);
    },
  },
  "a run of a schedule": {
    prepare: async () => (await _schedule(), ""),
    path: () => "/v1/schedules/nightly/run",
    async check(answer) {
      expect(answer.body.outcome).toBe("created");
      const rows = await stores.sql<{ id: string }[]>`select id from jobs`;
      expect(rows.map(({ id }) => id)).toEqual([answer.body.id]);
      expect(answer.headers.get("location")).toBe(`/v1/jobs/${answer.body.id}`);
    },
  },
  "an operation": {
    prepare: async () => "",
    path: () => "/v1/operations",
    body: () => ({ action: "cancel", filter: { label: "red" } }),
    check: _oneOperation,
  },
  "a redrive by filter": {
    prepare: async () => "",
    path: () => "/v1/dead-letters/redrive",
    body: () => ({ filter: { type: "echo" } }),
    check: _oneOperation,
  },
  "a retry": { prepare: _dead, path: (id) => `/v1/jobs/${id}/retry`, check: _onceRun },
  "a redrive": {
    prepare: _dead,
    path: (id) => `/v1/dead-letters/${id}/redrive`,
    check: _onceRun,
  },
  "a redrive by ids": {
    prepare: _dead,
    path: () => "/v1/dead-letters/redrive",
    body: (id) => ({ ids: [id] }),
    async check(answer, id) {
      expect(answer.body.results).toEqual([{ id, outcome: "redriven" }]);
      expect(await _runs()).toEqual([1]);
    },
  },
  "a promotion": {
    prepare: async () => (await producer.post(_echo("a", { delayMs: 3_600_000 }))).body.id,
    path: (id) => `/v1/jobs/${id}/promote`,
    async check(answer, id) {
      expect([answer.status, answer.body.id, answer.body.runAt]).toEqual([200, id, null]);
    },
  },
  "a pause of a schedule that is resumed meanwhile": {
    prepare: async () => (await _schedule(), ""),
    path: () => "/v1/schedules/nightly/pause",
    meanwhile: () => _sent("/v1/schedules/nightly/resume", undefined, {}),
    async check(answer) {
      expect([answer.status, answer.body.paused]).toEqual([200, true]);
    },
  },
  "a pause of a queue that is resumed meanwhile": {
    prepare: async () => "",
    path: () => "/v1/queues/default/pause",
    meanwhile: () => _sent("/v1/queues/default/resume", undefined, {}),
    async check(answer) {
      expect([200, 202]).toContain(answer.status);
      expect(answer.body.paused).toBe(true);
    },
  },
};

const _isPaused = async () => {
  const [row] = await stores.sql<{ isPaused: boolean }[]>`
    select exists (select from schedules where paused union all select from queue_settings where paused) as "isPaused"`;
  return row!.isPaused;
};

async function _clear() {
  await stores.clear();
  await stores.sql`truncate schedules, queue_settings`;
  await stores.sql`drop trigger if exists die on idempotency_keys`;
}

afterEach(_clear);
afterAll(async () => {
  await producer.close();
  await stores.close();
});

/** Leases make a repeated request of a worker safe. */
const ofWorkers = new Set(["takeJobs", "finishJobs", "extendLeases"]);

test("every POST documents and accepts an Idempotency-Key, except those of workers", () => {
  const posts = Object.values(buildOpenApi(shippedApi, "test").paths ?? {}).flatMap(
    (path) => path?.post ?? [],
  );
  expect(posts.length).toBeGreaterThan(15);
  for (const { operationId, parameters = [] } of posts) {
    const names = parameters.map((parameter) => ("name" in parameter ? parameter.name : ""));
    const isOfWorker = ofWorkers.has(operationId ?? "");
    expect(names.includes("idempotency-key"), operationId).toBe(!isOfWorker);
  }
});

test("a repeated retry runs once and replays its response", async () => {
  const { body } = await producer.post(_echo());
  await stores.sql`update jobs set status = 'dead', settled_at = now()`;
  const retry = () =>
    producer.request(`/v1/jobs/${body.id}/retry`, { method: "POST", headers: key });
  const first = await retry();
  expect([first.status, first.headers.get("idempotency-replayed")]).toEqual([202, null]);
  await stores.sql`update jobs set status = 'dead', settled_at = now()`;
  const again = await retry();
  expect([again.status, again.text]).toEqual([202, first.text]);
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  expect(again.headers.get("location")).toBe(first.headers.get("location"));
  expect([...(await stores.sql`select generation, status from jobs`)]).toEqual([
    { generation: 1, status: "dead" },
  ]);
});

test("two concurrent identical requests create one operation", async () => {
  const request = _json({ action: "cancel", filter: { label: "red" } }, key);
  const answers = await Promise.all(
    [1, 2, 3].map(() => producer.request("/v1/operations", request)),
  );
  expect(new Set(answers.map(({ status }) => status)).difference(new Set([202, 409])).size).toBe(0);
  const again = await producer.request("/v1/operations", request);
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  expect(await stores.sql`select id from operations`).toHaveLength(1);
  const other = _json({ action: "cancel", filter: { label: "blue" } }, key);
  _expectProblem(await producer.request("/v1/operations", other), "idempotency-key-reused");
});

test.each(Object.entries(_cases))(
  "%s runs once, wherever its producer dies before the response is stored",
  async (_, { prepare, path, body, meanwhile, check }) => {
    // The first write claims the key; the second and third store responses.
    for (const nth of [2, 3]) {
      await _clear();
      const id = await prepare();
      const send = () => _sent(path(id), body?.(id));
      await _dieAt(nth);
      _expectProblem(await send(), "internal-error");
      const isDone = nth === 3;
      if (meanwhile) expect(await _isPaused()).toBe(isDone);
      await _abandon();
      await meanwhile?.();
      const again = await send();
      await check(again, id);
      expect((await send()).text).toBe(again.text);
      // The work done before the crash does not overwrite changes made meanwhile.
      if (meanwhile) expect(await _isPaused()).toBe(!isDone);
    }
  },
);

test("the key is in use while the producer that did the work may be alive", async () => {
  const id = await _dead();
  await _dieAt(3);
  const retry = () => _sent(`/v1/jobs/${id}/retry`);
  _expectProblem(await retry(), "internal-error");
  await stores.sql`drop trigger die on idempotency_keys`;
  _expectProblem(await retry(), "idempotency-key-in-use");
  await stores.sql`update idempotency_keys set touched_at = now() - interval '61 seconds'`;
  expect((await retry()).headers.get("idempotency-replayed")).toBe("true");
});

test("work whose response cannot be stored is completed with its provisional response", async () => {
  const id = await _dead();
  await stores.sql.unsafe(`
    create trigger die before update of body_hash on idempotency_keys for each row execute function die(0)`);
  const retry = () => _sent(`/v1/jobs/${id}/retry`);
  _expectProblem(await retry(), "internal-error");
  await _onceRun(await retry(), id);
});

test("a refused request leaves the key free", async () => {
  const { body } = await producer.post(_echo());
  const retry = () =>
    producer.request(`/v1/jobs/${body.id}/retry`, { method: "POST", headers: key });
  _expectProblem(await retry(), "job-pending");
  await stores.sql`update jobs set status = 'dead', settled_at = now()`;
  expect((await retry()).status).toBe(202);
});
