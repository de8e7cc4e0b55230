import { afterEach, expect, test } from "bun:test";
import { shippedApi } from "../../contract/test/_job-types.ts";
import { Scope } from "@toril/contract/api/access/scope";
import { _bearer, _issue } from "./_keys.ts";
import { _echo, _expectProblem, _json, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
const { key } = await _issue(stores, Scope.options);
afterEach(async () => {
  await stores.clear();
  await stores.sql`truncate schedules, job_types, webhooks`;
});

const daily = { cron: "0 2 * * *", job: _echo() };
const mail = { data: { type: "object" } };
const hook = { url: "https://example.org/hook", events: ["job.dead"] };

function send(path: string, method = "GET", body?: unknown, headers: Record<string, string> = {}) {
  const init = body === undefined ? { headers } : _json(body, headers);
  return producer.request(path, {
    ...init,
    method,
    headers: { ...(init.headers as object), ..._bearer(key) },
  });
}

async function put(path: string, body: unknown): Promise<string> {
  expect((await send(path, "PUT", body)).status).toBe(201);
  return path;
}

/** Creates a resource with an ETag and returns its path. */
const resources: Record<string, () => Promise<string>> = {
  "/v1/jobs/{id}": async () =>
    (await send("/v1/jobs", "POST", _echo("a", { delayMs: 3_600_000 }))).headers.get("location")!,
  "/v1/schedules/{name}": () => put("/v1/schedules/daily", daily),
  "/v1/job-types/{type}": () => put("/v1/job-types/mail.send", mail),
  "/v1/webhooks/{name}": () => put("/v1/webhooks/orders", hook),
  "/v1/keys/{id}": async () => `/v1/keys/${(await _issue(stores, ["jobs:read"])).id}`,
};

test("every resource with an ETag is tested", () => {
  const tagged = Object.values(shippedApi)
    .filter(({ method, responses }) => {
      const { 200: ok } = responses as Record<number, { headers?: object } | undefined>;
      return method === "get" && "ETag" in (ok?.headers ?? {});
    })
    .map(({ path }) => path as string);
  expect(tagged.toSorted()).toEqual(Object.keys(resources).toSorted());
});

/** Operations below a resource that neither return nor change it. */
const others = /\/(?:events|preview|children|endpoint.*|use|test|deliveries.*|replay)$/;

/** All operations on a resource. */
const operations = Object.values(shippedApi).flatMap(({ path, method, operationId }) =>
  Object.keys(resources)
    .filter((resource) => path.startsWith(resource) && !others.test(path))
    .map((resource) => ({
      operationId,
      method: method.toUpperCase(),
      resource,
      path: path as string,
    })),
);

const bodies: Record<string, unknown> = {
  changeJob: { priority: 3 },
  changeKey: { name: "changed" },
  putJobType: mail,
  putSchedule: daily,
  putWebhook: hook,
};

async function prepare({ operationId, method, resource, path }: (typeof operations)[number]) {
  const address = await resources[resource]!();
  const ask = (headers: Record<string, string>) =>
    send(path.replace(resource, address), method, bodies[operationId], headers);
  // The ETag ignores values that change with time alone.
  const read = async () => (await send(address)).headers.get("etag")!;
  return { etag: await read(), ask, read };
}

test.each(operations)("$operationId evaluates If-Match and If-None-Match", async (operation) => {
  const { etag, ask, read } = await prepare(operation);
  const isRead = operation.method === "GET";
  const stale = '"no-such-version"';
  for (const ifMatch of [stale, `W/${etag}`, `${stale}, W/${etag}`, "nonsense"]) {
    _expectProblem(await ask({ "If-Match": ifMatch }), "precondition-failed");
  }
  const needed: Record<string, string> =
    operation.operationId === "changeJob" ? { "If-Match": "*" } : {};
  for (const ifNoneMatch of ["*", etag, `${stale},W/${etag}`]) {
    const answer = await ask({ ...needed, "If-None-Match": ifNoneMatch });
    if (isRead) expect([answer.status, answer.headers.get("etag")]).toEqual([304, etag]);
    else _expectProblem(answer, "precondition-failed");
  }
  expect(await read()).toBe(etag);
  const met = { "If-Match": `${stale}, ${etag}`, "If-None-Match": stale };
  const { status } = await ask(met);
  // A pending job cannot be retried, whatever the preconditions.
  expect(status).toBe(
    operation.operationId === "retryJob" ? 409 : expectedStatus(operation.operationId),
  );
});

function expectedStatus(operationId: string) {
  return operationId === "runSchedule" ? 201 : 200;
}

test("one of many concurrent requests with If-None-Match: * creates the schedule, and none replaces it", async () => {
  const create = () => send("/v1/schedules/daily", "PUT", daily, { "If-None-Match": "*" });
  const answers = await Promise.all(Array.from({ length: 8 }, create));
  const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
  expect(statuses).toEqual([201, ...Array.from({ length: 7 }, () => 412)]);
  expect((await send("/v1/schedules/daily")).body.version).toBe(1);
});

test("a cancellation and a change of the same version exclude each other", async () => {
  const path = await resources["/v1/jobs/{id}"]!();
  const headers = { "If-Match": (await send(path)).headers.get("etag")! };
  const answers = await Promise.all([
    send(path, "PATCH", { priority: 3 }, headers),
    send(path, "DELETE", undefined, headers),
  ]);
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 412]);
});

test("a dead job is retried only in the version of If-Match", async () => {
  const path = await resources["/v1/jobs/{id}"]!();
  await stores.sql`update jobs set status = 'dead', settled_at = now()`;
  const retry = (etag: string) => send(`${path}/retry`, "POST", undefined, { "If-Match": etag });
  const etag = (await send(path)).headers.get("etag")!;
  _expectProblem(await retry('"stale"'), "precondition-failed");
  expect((await retry(etag)).status).toBe(202);
  _expectProblem(await retry(etag), "precondition-failed");
});
