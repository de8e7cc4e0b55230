import { beforeEach, expect, test } from "bun:test";
import { graphLimits } from "@toril/contract/api/jobs/graph";
import { _bearer, _issue } from "./_keys.ts";
import { _echo, _expectProblem, _json, _nothing, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer({ REQUEST_TIMEOUT_MS: "30000" });
beforeEach(() => stores.clear());

const post = (body: unknown, headers = {}) => producer.request("/v1/graphs", _json(body, headers));
const leaf = (message: string, more = {}) => ({ job: _echo(message), ...more });
const chain = (depth: number): object =>
  depth === 1 ? leaf("leaf") : leaf("node", { children: [chain(depth - 1)] });

test("a graph is recorded as a whole, and only jobs without children are dispatched", async () => {
  const answer = await post({
    job: _echo("root", { priority: 5 }),
    children: [
      leaf("a", { onFailure: "ignoreDependencyOnFailure" }),
      leaf("b", { children: [leaf("b1"), leaf("b2")] }),
    ],
  });
  expect([answer.status, answer.body.jobs]).toEqual([201, 5]);
  const { id } = answer.body;
  expect(answer.headers.get("location")).toBe(`/v1/jobs/${id}`);
  expect(await stores.count()).toMatchObject({ jobs: 5, dispatched: 3 });

  const none = { completed: 0, dead: 0, cancelled: 0, expired: 0 };
  const root = await producer.client.getJob(id);
  expect(root).toMatchObject({ status: "pending", state: "waiting-children", parent: null });
  expect(root.children).toEqual({ total: 2, pending: 2, ...none });
  const { items, next } = await producer.client.listChildren(id);
  expect(next).toBeNull();
  const byMessage = new Map(items.map((job) => [(job.data as { message: string }).message, job]));
  expect(byMessage.get("a")).toMatchObject({
    parent: { id, onFailure: "ignoreDependencyOnFailure" },
    state: "waiting",
  });
  const b = byMessage.get("b")!;
  expect(b).toMatchObject({
    parent: { id, onFailure: "failParentOnFailure" },
    state: "waiting-children",
  });
  expect((await producer.client.listChildren(b.id)).items).toHaveLength(2);
  expect((await producer.client.getJob(items[0]!.id)).children).toEqual(
    items[0]!.id === b.id ? { total: 2, pending: 2, ...none } : null,
  );
});

test("children are listed in pages and by status", async () => {
  const children = Array.from({ length: 5 }, (_, index) => leaf(`${index}`));
  const { id } = (await post({ job: _echo(), children })).body;
  const found = new Set<string>();
  let next: string | null | undefined;
  do {
    const page = await producer.client.listChildren(id, {
      limit: 2,
      ...(next ? { cursor: next } : {}),
    });
    for (const job of page.items) found.add(job.id);
    ({ next } = page);
  } while (next !== null);
  expect(found.size).toBe(5);
  const [first] = found;
  await stores.sql`update jobs set status = 'completed', settled_at = now() where id = ${first!}`;
  const { items } = await producer.client.listChildren(id, { status: "completed" });
  expect(items.map((job) => job.id)).toEqual([first!]);
  expect((await producer.client.getJob(id)).children).toMatchObject({ pending: 4, completed: 1 });
});

test("a job that waits for its children can be changed, but not promoted", async () => {
  const { id } = (await post({ job: _echo("root"), children: [leaf("a")] })).body;
  const changed = await producer.client.changeJob(id, "*", { priority: 3, delayMs: 3_600_000 });
  expect(changed).toMatchObject({ priority: 3, state: "waiting-children" });
  const promoted = await producer.client.promoteJob(id);
  expect(promoted).toMatchObject({ runAt: null, state: "waiting-children" });
  _expectProblem(
    await producer.request(`/v1/jobs/${id}/promote`, { method: "POST" }),
    "job-not-delayed",
  );
});

test.each([
  [{ job: _echo() }, "invalid-job", "/children"],
  [{ job: _echo(), children: [] }, "invalid-job", "/children"],
  [{ ..._echo(), children: [leaf("a")] }, "invalid-job", "/type"],
  [
    { job: _echo(), children: [leaf("a", { onFailure: "retry" })] },
    "invalid-job",
    "/children/0/onFailure",
  ],
  [
    {
      job: _echo(),
      children: [leaf("a"), leaf("b", { children: [{ job: { type: "echo", data: {} } }] })],
    },
    "invalid-job",
    "/children/1/children/0/job/data/message",
  ],
  [{ job: { type: "bull", data: {} }, children: [leaf("a")] }, "job-type-not-found", "/job/type"],
  [
    chain(graphLimits.depth + 1),
    "invalid-job",
    `${"/children/0".repeat(graphLimits.depth - 1)}/children`,
  ],
] as const)("the graph %# is refused, and nothing is stored", async (body, kind, pointer) => {
  const { errors } = _expectProblem(await post(body), kind);
  expect(errors?.map((error) => error.pointer)).toContain(pointer);
  expect(await stores.count()).toEqual(_nothing);
});

test("a graph has at most 5,000 jobs in 10 levels", async () => {
  const children = Array.from({ length: graphLimits.jobs - 1 }, (_, index) => leaf(`${index}`));
  const { status, body } = await post({ job: _echo("root"), children });
  expect([status, body.jobs]).toEqual([201, graphLimits.jobs]);
  _expectProblem(
    await post({ job: _echo("root"), children: [...children, leaf("one more")] }),
    "too-many-entries",
  );
  expect((await post(chain(graphLimits.depth))).body.jobs).toBe(graphLimits.depth);
});

test("a graph whose root exists already is a duplicate; another key that is taken refuses the graph", async () => {
  const graph = {
    job: _echo("root", { key: "root" }),
    children: [{ job: _echo("a", { key: "a" }) }],
  };
  const first = await post(graph);
  const second = await post(graph);
  expect([second.status, second.body.jobs, second.body.id]).toEqual([200, 0, first.body.id]);
  const other = { job: _echo("other"), children: [leaf("free"), ...graph.children] };
  const { errors } = _expectProblem(await post(other), "key-taken");
  expect(errors).toMatchObject([{ pointer: "/children/1/job/key" }]);
  expect((await stores.count()).jobs).toBe(2);
});

test("an Idempotency-Key replays the response, and restrictions apply to every job", async () => {
  const graph = { job: _echo("root"), children: [leaf("a")] };
  const headers = { "Idempotency-Key": "graph" };
  const [first, again] = [await post(graph, headers), await post(graph, headers)];
  expect(again.text).toBe(first.text);
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  expect((await stores.count()).jobs).toBe(2);

  const { key } = await _issue(stores, ["jobs:write", "jobs:read"], { types: ["echo"] });
  const row = { type: "row.import", data: { importId: crypto.randomUUID(), row: 1, values: {} } };
  const mixed = { job: _echo("root"), children: [{ job: row }] };
  _expectProblem(await post(mixed, _bearer(key)), "forbidden-resource");
  const admin = await _issue(stores, ["jobs:write"]);
  const { id } = (await post(mixed, _bearer(admin.key))).body;
  const listed = await producer.request(`/v1/jobs/${id}/children`, { headers: _bearer(key) });
  expect(listed.body.items).toEqual([]);
});

test("the jobs of a graph count for the quotas of the key", async () => {
  const { key } = await _issue(stores, ["jobs:write"], { quotas: { maxWaiting: 3 } });
  const graph = (count: number) => ({
    job: _echo("root"),
    children: Array.from({ length: count }, (_, index) => leaf(`${index}`)),
  });
  _expectProblem(await post(graph(3), _bearer(key)), "quota-exceeded");
  expect((await post(graph(2), _bearer(key))).status).toBe(201);
  _expectProblem(await post(graph(1), _bearer(key)), "quota-exceeded");
});
