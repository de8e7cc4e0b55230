import { afterEach, expect, test } from "bun:test";
import { shippedApi } from "../../contract/test/_job-types.ts";
import { _echo, _expectProblem, _json, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(async () => {
  await stores.clear();
  await stores.sql`delete from schedules`;
});

const daily = { cron: "0 2 * * *", job: _echo() };

/** Creates a resource with an ETag and returns its path. */
const resources: Record<string, () => Promise<string>> = {
  "/v1/jobs/{id}": async () =>
    (await producer.post(_echo("a", { delayMs: 3_600_000 }))).headers.get("location")!,
  "/v1/schedules/{name}": async () => {
    await producer.request("/v1/schedules/daily", { ..._json(daily), method: "PUT" });
    return "/v1/schedules/daily";
  },
};

/** All operations on a resource's path or below it. */
const operations = Object.values(shippedApi).flatMap(({ path, method, operationId }) =>
  Object.keys(resources)
    .filter((resource) => path.startsWith(resource) && !/\/(events|preview|children)$/.test(path))
    .map((resource) => ({
      operationId,
      method: method.toUpperCase(),
      resource,
      path: path as string,
    })),
);

const bodies: Record<string, unknown> = { PUT: daily, PATCH: { priority: 3 } };

async function prepare({ method, resource, path }: (typeof operations)[number]) {
  const address = await resources[resource]!();
  const etag = (await producer.request(address)).headers.get("etag")!;
  const send = (headers: Record<string, string>) => {
    const init = method in bodies ? _json(bodies[method], headers) : { headers };
    return producer.request(path.replace(resource, address), { ...init, method });
  };
  // The ETag ignores values that change with time alone.
  const read = async () => (await producer.request(address)).headers.get("etag");
  return { etag, send, read };
}

test.each(operations)("$operationId evaluates If-Match and If-None-Match", async (operation) => {
  const { etag, send, read } = await prepare(operation);
  const isRead = operation.method === "GET";
  const stale = '"no-such-version"';
  for (const ifMatch of [stale, `W/${etag}`, `${stale}, W/${etag}`, "nonsense"]) {
    _expectProblem(await send({ "If-Match": ifMatch }), "precondition-failed");
  }
  const needed: Record<string, string> = operation.method === "PATCH" ? { "If-Match": "*" } : {};
  for (const ifNoneMatch of ["*", etag, `${stale},W/${etag}`]) {
    const answer = await send({ ...needed, "If-None-Match": ifNoneMatch });
    if (isRead) expect([answer.status, answer.headers.get("etag")]).toEqual([304, etag]);
    else _expectProblem(answer, "precondition-failed");
  }
  expect(await read()).toBe(etag);
  const met = { "If-Match": `${stale}, ${etag}`, "If-None-Match": stale };
  const { status } = await send(met);
  // A pending job cannot be retried, whatever the preconditions.
  expect(status).toBe(
    operation.operationId === "retryJob" ? 409 : expectedStatus(operation.operationId),
  );
});

function expectedStatus(operationId: string) {
  return operationId === "runSchedule" ? 201 : 200;
}

test("one of many concurrent requests with If-None-Match: * creates the schedule, and none replaces it", async () => {
  const put = (headers: Record<string, string>) =>
    producer.request("/v1/schedules/daily", { ..._json(daily, headers), method: "PUT" });
  const answers = await Promise.all(Array.from({ length: 8 }, () => put({ "If-None-Match": "*" })));
  const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
  expect(statuses).toEqual([201, ...Array.from({ length: 7 }, () => 412)]);
  expect((await producer.client.getSchedule("daily")).version).toBe(1);
});

test("a cancellation and a change of the same version exclude each other", async () => {
  const path = await resources["/v1/jobs/{id}"]!();
  const headers = { "If-Match": (await producer.request(path)).headers.get("etag")! };
  const answers = await Promise.all([
    producer.request(path, { ..._json({ priority: 3 }, headers), method: "PATCH" }),
    producer.request(path, { method: "DELETE", headers }),
  ]);
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 412]);
});

test("a dead job is retried only in the version of If-Match", async () => {
  const path = await resources["/v1/jobs/{id}"]!();
  await stores.sql`update jobs set status = 'dead', settled_at = now()`;
  const retry = (etag: string) =>
    producer.request(`${path}/retry`, { method: "POST", headers: { "If-Match": etag } });
  const etag = (await producer.request(path)).headers.get("etag")!;
  _expectProblem(await retry('"stale"'), "precondition-failed");
  expect((await retry(etag)).status).toBe(202);
  _expectProblem(await retry(etag), "precondition-failed");
});
