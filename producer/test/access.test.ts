import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { getSufficientScopes, Scope } from "@toril/contract/api/access/scope";
import { problemType } from "@toril/contract/api/problem";
import { parse } from "yaml";
import { _basic, _bearer, _issue } from "./_keys.ts";
import {
  _echo,
  _expectProblem,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
} from "./_producer.ts";

/** A call of an operation, with the required scope and the result for a key of another tenant. */
interface Row {
  scope: Scope;
  /** Builds the request from ids of the tenant `default`. */
  ask(ids: Ids): Asked;
  /**
   * `not-found`: 404. `empty`: a response without the resource. `own`: a new resource of the other tenant. `refused`:
   * 403, because all tenants share the resource.
   */
  elsewhere: "not-found" | "empty" | "own" | "shared" | "refused";
  /** Also requested by a page, which authenticates as browsers do. */
  isPage?: true;
  /** Needs a store that the producer does not have here: a permitted request is answered with 404. */
  isUnconfigured?: true;
}

type Asked = [path: string, init?: RequestInit | undefined];

interface Ids {
  job: string;
  waiting: string;
  delayed: string;
  promoted: string;
  ended: string;
  dead: string;
  redriven: string;
  deleted: string;
  operation: string;
  import: string;
  parted: string;
  key: string;
  schedule: string;
  feed: string;
  webhook: string;
  deletedWebhook: string;
  pushType: string;
  deletedType: string;
}

const csv = { method: "POST", headers: { "Content-Type": "text/csv" }, body: "a\n1\n" };

const schedule = { everyMs: 3_600_000, job: _echo("secret message") };

function scheduleRow(method: string, action = ""): Row {
  const scope = method === "GET" ? "jobs:read" : "schedules:write";
  return {
    scope,
    ask: (ids) => [`/v1/schedules/${ids.schedule}${action}`, { method }],
    elsewhere: "not-found",
  };
}

/** The responses repeat the id of the request, so not that of a job. */
const lostLease = { id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304", lease: "default/0/unknown" };

const deliveryId = crypto.randomUUID();
const webhook = { url: "https://example.org/", events: ["job.dead"] };
const pushType = { data: {}, worker: "push", push: { url: webhook.url } };
const put = (body: object) => ({ ..._json(body), method: "PUT" });

function webhookRow(method: string, action = "", body?: object): Row {
  return {
    scope: method === "GET" ? "webhooks:read" : "webhooks:admin",
    ask: (ids) => [
      `/v1/webhooks/${ids.webhook}${action}`,
      body === undefined ? { method } : { ..._json(body), method },
    ],
    elsewhere: "not-found",
  };
}

function jobTypeRow(method: string, action = ""): Row {
  return {
    scope: method === "GET" ? "types:read" : "types:admin",
    ask: (ids) => [`/v1/job-types/${ids.pushType}${action}`, { method }],
    elsewhere: "not-found",
  };
}

/** `any`: any valid key is permitted. `open`: no authentication. */
const rows: Record<string, Row | "any" | "open"> = {
  createJob: {
    scope: "jobs:enqueue",
    ask: () => ["/v1/jobs", _json(_echo("secret message", { key: "shared" }))],
    elsewhere: "own",
  },
  createJobs: {
    scope: "jobs:enqueue",
    ask: () => ["/v1/jobs/bulk", _json([_echo("secret message", { key: "shared" })])],
    elsewhere: "own",
  },
  getJob: { scope: "jobs:read", ask: ({ job }) => [`/v1/jobs/${job}`], elsewhere: "not-found" },
  listJobs: { scope: "jobs:read", ask: () => ["/v1/jobs"], elsewhere: "empty" },
  cancelJob: {
    scope: "jobs:change",
    ask: ({ waiting }) => [`/v1/jobs/${waiting}`, { method: "DELETE" }],
    elsewhere: "not-found",
  },
  changeJob: {
    scope: "jobs:change",
    ask: ({ delayed }) => [
      `/v1/jobs/${delayed}`,
      { ..._json({ delayMs: 1_000_000 }, { "If-Match": "*" }), method: "PATCH" },
    ],
    elsewhere: "not-found",
  },
  promoteJob: {
    scope: "jobs:change",
    ask: ({ promoted }) => [`/v1/jobs/${promoted}/promote`, { method: "POST" }],
    elsewhere: "not-found",
  },
  retryJob: {
    scope: "jobs:change",
    ask: ({ ended }) => [`/v1/jobs/${ended}/retry`, { method: "POST" }],
    elsewhere: "not-found",
  },
  createGraph: {
    scope: "jobs:enqueue",
    ask: () => [
      "/v1/graphs",
      _json({ job: _echo("secret message", { key: "shared" }), children: [{ job: _echo() }] }),
    ],
    elsewhere: "own",
  },
  listChildren: {
    scope: "jobs:read",
    ask: ({ job }) => [`/v1/jobs/${job}/children`],
    elsewhere: "not-found",
  },
  createImport: {
    scope: "jobs:enqueue",
    ask: () => ["/v1/imports?type=row.import", csv],
    elsewhere: "own",
  },
  listImports: { scope: "jobs:read", ask: () => ["/v1/imports"], elsewhere: "empty" },
  putImportPart: {
    scope: "jobs:enqueue",
    ask: (ids) => [`/v1/imports/${ids.parted}/parts/1`, { ...csv, method: "PUT" }],
    elsewhere: "not-found",
  },
  listImportParts: {
    scope: "jobs:read",
    ask: (ids) => [`/v1/imports/${ids.parted}/parts`],
    elsewhere: "not-found",
  },
  completeImport: {
    scope: "jobs:enqueue",
    ask: (ids) => [`/v1/imports/${ids.parted}/complete`, _json({ parts: 1 })],
    elsewhere: "not-found",
  },
  listImportErrors: {
    scope: "jobs:read",
    ask: (ids) => [`/v1/imports/${ids.import}/errors`],
    elsewhere: "not-found",
  },
  cancelImport: {
    scope: "jobs:change",
    ask: (ids) => [`/v1/imports/${ids.import}`, { method: "DELETE" }],
    elsewhere: "not-found",
  },
  getImport: {
    scope: "jobs:read",
    ask: (ids) => [`/v1/imports/${ids.import}`],
    elsewhere: "not-found",
  },
  putSchedule: {
    scope: "schedules:write",
    ask: () => ["/v1/schedules/mine", { ..._json(schedule), method: "PUT" }],
    elsewhere: "own",
  },
  listSchedules: { scope: "jobs:read", ask: () => ["/v1/schedules"], elsewhere: "empty" },
  getSchedule: scheduleRow("GET"),
  deleteSchedule: scheduleRow("DELETE"),
  pauseSchedule: scheduleRow("POST", "/pause"),
  resumeSchedule: scheduleRow("POST", "/resume"),
  runSchedule: scheduleRow("POST", "/run"),
  previewSchedule: scheduleRow("GET", "/preview"),
  previewDefinition: {
    scope: "jobs:read",
    ask: () => ["/v1/schedules/preview", _json({ everyMs: 3_600_000 })],
    elsewhere: "own",
  },
  listFeeds: { scope: "jobs:read", ask: () => ["/v1/feeds"], elsewhere: "empty" },
  fetchFeed: {
    scope: "jobs:enqueue",
    ask: (ids) => ["/v1/feeds/fetch", _json({ url: ids.feed })],
    elsewhere: "not-found",
  },
  listQueues: { scope: "queues:read", ask: () => ["/v1/queues"], elsewhere: "refused" },
  getQueue: { scope: "queues:read", ask: () => ["/v1/queues/default"], elsewhere: "refused" },
  changeQueue: {
    scope: "queues:admin",
    ask: () => ["/v1/queues/default", { ..._json({ concurrency: 9 }), method: "PATCH" }],
    elsewhere: "refused",
  },
  pauseQueue: {
    scope: "queues:admin",
    ask: () => ["/v1/queues/default/pause", { method: "POST" }],
    elsewhere: "refused",
  },
  resumeQueue: {
    scope: "queues:admin",
    ask: () => ["/v1/queues/default/resume", { method: "POST" }],
    elsewhere: "refused",
  },
  drainQueue: {
    scope: "queues:admin",
    ask: () => ["/v1/queues/default/drain", { method: "POST" }],
    elsewhere: "refused",
  },
  cleanQueue: {
    scope: "queues:admin",
    ask: () => ["/v1/queues/default/clean", _json({ state: "failed", olderThanMs: 0 })],
    elsewhere: "refused",
  },
  followJob: {
    scope: "jobs:read",
    ask: ({ job }) => [`/v1/jobs/${job}/events`],
    elsewhere: "not-found",
    isPage: true,
  },
  followImport: {
    scope: "jobs:read",
    ask: (ids) => [`/v1/imports/${ids.import}/events`],
    elsewhere: "not-found",
    isPage: true,
  },
  followQueue: {
    scope: "jobs:read",
    ask: () => ["/v1/queues/default/events"],
    elsewhere: "empty",
    isPage: true,
  },
  followJobs: { scope: "jobs:read", ask: () => ["/v1/events"], elsewhere: "empty", isPage: true },
  listDeadLetters: { scope: "jobs:read", ask: () => ["/v1/dead-letters"], elsewhere: "empty" },
  summarizeDeadLetters: {
    scope: "jobs:read",
    ask: () => ["/v1/dead-letters/summary"],
    elsewhere: "empty",
  },
  getDeadLetter: {
    scope: "jobs:read",
    ask: ({ dead }) => [`/v1/dead-letters/${dead}`],
    elsewhere: "not-found",
  },
  redriveDeadLetter: {
    scope: "jobs:change",
    ask: ({ redriven }) => [`/v1/dead-letters/${redriven}/redrive`, { method: "POST" }],
    elsewhere: "not-found",
  },
  redriveDeadLetters: {
    scope: "jobs:change",
    ask: () => ["/v1/dead-letters/redrive", _json({ filter: { label: "none" } })],
    elsewhere: "own",
  },
  deleteDeadLetter: {
    scope: "jobs:change",
    ask: ({ deleted }) => [`/v1/dead-letters/${deleted}`, { method: "DELETE" }],
    elsewhere: "not-found",
  },
  createOperation: {
    scope: "operations:write",
    ask: () => ["/v1/operations", _json({ action: "cancel", filter: { label: "none" } })],
    elsewhere: "own",
  },
  listOperations: { scope: "jobs:read", ask: () => ["/v1/operations"], elsewhere: "empty" },
  getOperation: {
    scope: "jobs:read",
    ask: ({ operation }) => [`/v1/operations/${operation}`],
    elsewhere: "not-found",
  },
  stopOperation: {
    scope: "operations:write",
    ask: ({ operation }) => [`/v1/operations/${operation}/stop`, { method: "POST" }],
    elsewhere: "not-found",
  },
  createKey: {
    scope: "keys:admin",
    ask: () => ["/v1/keys", _json({ name: "another", scopes: ["jobs:read"] })],
    elsewhere: "own",
  },
  listKeys: { scope: "keys:read", ask: () => ["/v1/keys"], elsewhere: "empty" },
  getKey: { scope: "keys:read", ask: ({ key }) => [`/v1/keys/${key}`], elsewhere: "not-found" },
  getKeyUse: {
    scope: "keys:read",
    ask: ({ key }) => [`/v1/keys/${key}/use`],
    elsewhere: "not-found",
  },
  changeKey: {
    scope: "keys:admin",
    ask: ({ key }) => [`/v1/keys/${key}`, { ..._json({ name: "other" }), method: "PATCH" }],
    elsewhere: "not-found",
  },
  rotateKey: {
    scope: "keys:admin",
    ask: ({ key }) => [`/v1/keys/${key}/rotate`, { method: "POST" }],
    elsewhere: "not-found",
  },
  revokeKey: {
    scope: "keys:admin",
    ask: ({ key }) => [`/v1/keys/${key}`, { method: "DELETE" }],
    elsewhere: "not-found",
  },
  putWebhook: {
    scope: "webhooks:admin",
    ask: () => [`/v1/webhooks/${crypto.randomUUID()}`, put(webhook)],
    elsewhere: "own",
  },
  listWebhooks: { scope: "webhooks:read", ask: () => ["/v1/webhooks"], elsewhere: "empty" },
  getWebhook: webhookRow("GET"),
  rotateWebhook: webhookRow("POST", "/rotate"),
  disableWebhook: webhookRow("POST", "/disable"),
  enableWebhook: webhookRow("POST", "/enable"),
  testWebhook: webhookRow("POST", "/test"),
  listWebhookDeliveries: webhookRow("GET", "/deliveries"),
  replayWebhookDelivery: {
    scope: "webhooks:admin",
    ask: (ids) => [
      `/v1/webhooks/${ids.webhook}/deliveries/${deliveryId}/replay`,
      { method: "POST" },
    ],
    elsewhere: "not-found",
  },
  replayWebhookDeliveries: webhookRow("POST", "/replay", {
    from: "2026-01-01T00:00:00Z",
    until: "2026-01-02T00:00:00Z",
  }),
  deleteWebhook: {
    scope: "webhooks:admin",
    ask: (ids) => [`/v1/webhooks/${ids.deletedWebhook}`, { method: "DELETE" }],
    elsewhere: "not-found",
  },
  putJobType: {
    scope: "types:admin",
    ask: () => [`/v1/job-types/${crypto.randomUUID()}`, put({ data: {} })],
    elsewhere: "own",
  },
  // With the types that are defined in code, which all tenants have.
  listJobTypes: { scope: "types:read", ask: () => ["/v1/job-types"], elsewhere: "own" },
  getJobType: jobTypeRow("GET"),
  getPushEndpoint: jobTypeRow("GET", "/endpoint"),
  rotatePushEndpoint: jobTypeRow("POST", "/endpoint/rotate"),
  resetPushEndpoint: jobTypeRow("POST", "/endpoint/reset"),
  deleteJobType: {
    scope: "types:admin",
    ask: (ids) => [`/v1/job-types/${ids.deletedType}`, { method: "DELETE" }],
    elsewhere: "not-found",
  },
  takeJobs: {
    scope: "jobs:work",
    ask: () => ["/v1/worker/take", _json({})],
    elsewhere: "empty",
  },
  finishJobs: {
    scope: "jobs:work",
    ask: () => ["/v1/worker/finish", _json({ results: [{ ...lostLease, outcome: "released" }] })],
    elsewhere: "empty",
  },
  extendLeases: {
    scope: "jobs:work",
    ask: () => ["/v1/worker/extend", _json({ leases: [lostLease] })],
    elsewhere: "empty",
  },
  listAudit: { scope: "audit:read", ask: () => ["/v1/audit"], elsewhere: "empty" },
  getPrincipal: "any",
  getOverview: {
    scope: "metrics:read",
    ask: () => ["/v1/overview"],
    // Like /metrics, it shows the queues of all tenants, whose names may be those of types, and none of their data.
    elsewhere: "shared",
  },
  followOverview: {
    scope: "metrics:read",
    ask: () => ["/v1/overview/events"],
    elsewhere: "shared",
    isPage: true,
  },
  getOverviewHistory: {
    scope: "metrics:read",
    ask: () => ["/v1/overview/history"],
    elsewhere: "not-found",
    isUnconfigured: true,
  },
  getLiveness: "open",
  getReadiness: "open",
};

interface Documented {
  operationId: string;
  security: Record<string, string[]>[];
  "x-required-scope": string;
  responses: Record<string, unknown>;
}

const document: { paths: Record<string, Record<string, Documented>> } = parse(
  readFileSync(new URL("../../openapi.yaml", import.meta.url), "utf8"),
);
const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
const guarded = Object.entries(rows).filter(
  (entry): entry is [string, Row] => typeof entry[1] === "object",
);

let stores: _Stores;
let producer: _Producer;
let ids: Ids;
let admin: string;
let before: Awaited<ReturnType<_Stores["count"]>>;

beforeAll(async () => {
  stores = await _openStores();
  admin = (await _issue(stores, Scope.options.slice())).key;
  producer = await _startProducer(stores, { WRONG_KEYS_PER_MINUTE: "1000" });
  const made = await producer.post(_echo("secret message", { key: "shared" }), _bearer(admin));
  const imported = await send(["/v1/imports?type=row.import", csv], _bearer(admin));
  const make = async (more = {}): Promise<string> =>
    (await producer.post(_echo("secret too", more), _bearer(admin))).body.id;
  const secret = { action: "cancel", filter: { label: "secret" } };
  const operation = await send(["/v1/operations", _json(secret)], _bearer(admin));
  const parted = await send(["/v1/imports", _json({ type: "row.import" })], _bearer(admin));
  ids = {
    job: made.body.id,
    waiting: await make(),
    delayed: await make({ delayMs: 3_600_000 }),
    promoted: await make({ delayMs: 3_600_000 }),
    ended: await make(),
    dead: await make(),
    redriven: await make(),
    deleted: await make(),
    operation: operation.body.id,
    import: imported.body.id,
    parted: parted.body.id,
    key: (await _issue(stores, ["jobs:read"], { name: "secret name" })).id,
    schedule: await putSchedule(),
    feed: "https://secret.example/feed.xml",
    webhook: await create("webhooks", webhook),
    deletedWebhook: await create("webhooks", webhook),
    pushType: await create("job-types", pushType),
    deletedType: await create("job-types", { data: {} }),
  };
  await stores.sql`
    insert into webhook_deliveries (id, webhook_id, event, payload)
    select ${deliveryId}, id, 'job.dead', '{}' from webhooks where name = ${ids.webhook}`;
  await stores.sql`
    insert into feeds (tenant, source, url) values ('default', ${ids.feed}, ${ids.feed})
    on conflict do nothing`;
  const ended = [ids.ended, ids.dead, ids.redriven, ids.deleted];
  await stores.sql`update jobs set status = 'dead', settled_at = now() where id in ${stores.sql(ended)}`;
});
afterAll(async () => {
  await producer.close();
  await stores.close();
});
beforeEach(async () => {
  before = await stores.count();
});

/** Creates a resource with a random name, which it returns. */
async function create(kind: "webhooks" | "job-types", body: object) {
  const name = crypto.randomUUID();
  expect((await send([`/v1/${kind}/${name}`, put(body)], _bearer(admin))).status).toBe(201);
  return name;
}

async function putSchedule() {
  const put = { ..._json(schedule), method: "PUT" };
  const made = await send([`/v1/schedules/${crypto.randomUUID()}`, put], _bearer(admin));
  return made.body.name as string;
}

function send([path, init = {}]: Asked, headers: Record<string, string>) {
  const own = init.headers as Record<string, string> | undefined;
  return producer.request(path, { ...init, headers: { ...own, ...headers } });
}

test("every operation of openapi.yaml is covered here and documents its scope", () => {
  expect(operations.map(({ operationId }) => operationId).toSorted()).toEqual(
    Object.keys(rows).toSorted(),
  );
  for (const operation of operations) {
    const row = rows[operation.operationId]!;
    const scope = row === "open" ? "none" : row === "any" ? "any" : row.scope;
    expect(operation["x-required-scope"]).toBe(scope);
    if (typeof row === "string") {
      expect(operation.security).toEqual(row === "open" ? [] : [{ apiKey: [] }]);
      continue;
    }
    const sufficient = getSufficientScopes(row.scope);
    expect(operation.security).toEqual(sufficient.map((each) => ({ apiKey: [each] })));
    expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(["401", "403", "429"]));
    if (row.elsewhere === "not-found") expect(operation.responses).toHaveProperty("404");
  }
});

test.each(["/livez", "/readyz"])(
  "%s requires no authentication and ignores the key",
  async (path) => {
    expect((await producer.request(path)).status).toBe(200);
    expect((await producer.request(path, { headers: _bearer("wrong") })).status).toBe(200);
  },
);

describe.each(guarded)("%s", (_name, { scope, ask, elsewhere, isPage, isUnconfigured }) => {
  async function refused(
    headers: Record<string, string>,
    kind: "unauthenticated" | "insufficient-scope",
  ) {
    const [path, init] = ask(ids);
    const unreadable: Asked = [path, { ...init, body: "\0{" }];
    const answers = [
      await send([path, init], headers),
      // The response must not reveal whether the resource exists.
      await send(ask(missing), headers),
      // Nor may the body be read.
      ...(init?.method === "POST" ? [await send(unreadable, headers)] : []),
    ];
    for (const answer of answers) {
      expect(_expectProblem(answer, kind).detail).toBe(answers[0]!.body.detail);
      expect(answer.headers.get("www-authenticate")).toStartWith(
        isPage && kind === "unauthenticated" ? "Basic" : "Bearer",
      );
      expect(answer.text).not.toContain("secret");
    }
    expect(await stores.count()).toEqual(before);
  }

  test("without a key: 401", () => refused({}, "unauthenticated"));

  test("with an unknown key: 401", async () => {
    const other = admin.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    for (const headers of [_bearer("nonsense"), _bearer(other), _basic(isPage ? other : admin)]) {
      await refused(headers, "unauthenticated");
    }
  });

  test("with an expired key: 401", async () => {
    const { key } = await _issue(stores, [scope], { expiresAt: "2020-01-01T00:00:00.000Z" });
    await refused(_bearer(key), "unauthenticated");
  });

  test("with all scopes except those that suffice: 403", async () => {
    const sufficient = getSufficientScopes(scope);
    const others = Scope.options.filter((option) => !sufficient.includes(option));
    const { key } = await _issue(stores, others);
    await refused(_bearer(key), "insufficient-scope");
  });

  test(`with another tenant's key: ${elsewhere}`, async () => {
    const tenant = `other-${crypto.randomUUID().slice(0, 8)}`;
    const { key } = await _issue(stores, [scope], { tenant });
    const answer = await send(ask(ids), _bearer(key));
    if (elsewhere === "refused") {
      _expectProblem(answer, "insufficient-scope");
      return;
    }
    if (elsewhere === "not-found") {
      const none = await send(ask(missing), _bearer(key));
      expect([answer.status, answer.body.type]).toEqual([404, none.body.type]);
      expect(answer.body.type).not.toBe(problemType("not-found"));
      return;
    }
    expect(answer.status).toBeOneOf([200, 201, 202]);
    const { pushType: _, deletedType: __, ...hidden } = ids;
    for (const id of Object.values(elsewhere === "shared" ? hidden : ids)) {
      expect(answer.text).not.toContain(id);
    }
    if (elsewhere === "empty" || elsewhere === "shared")
      expect(answer.text).not.toContain("secret");
    if (elsewhere === "own") expect(answer.body.outcome ?? "created").toBe("created");
  });

  test("with a scope that includes the required one: authorized", async () => {
    for (const each of getSufficientScopes(scope).filter((one) => one !== scope)) {
      const { key } = await _issue(stores, [each]);
      expect((await send(ask(missing), _bearer(key))).status).toBeOneOf([200, 201, 202, 404]);
    }
  });

  test("with the required scope: success", async () => {
    const { key } = await _issue(stores, [scope]);
    const spareKey = (await _issue(stores, ["jobs:read"])).id;
    const spare = { ...ids, key: spareKey, schedule: await putSchedule() };
    const expected = isUnconfigured ? [404] : [200, 201, 202];
    expect((await send(ask(spare), _bearer(key))).status).toBeOneOf(expected);
  });
});

test("unknown paths and methods are reported only to requests with a key", async () => {
  const requests: Asked[] = [
    ["/missing"],
    ["/v1/jobs", { method: "DELETE" }],
    ["/v1/jobs/%62ulk", { method: "POST" }],
    ["/admin"],
    ["/%61dmin/queues"],
    ["/administrator"],
    ["/docs/"],
    ["/metrics/"],
  ];
  for (const each of requests) {
    _expectProblem(await send(each, {}), "unauthenticated");
    expect((await send(each, _bearer(admin))).status).toBeOneOf([404, 405]);
  }
});

test("every path below /admin/ requires queues:admin", async () => {
  const { key } = await _issue(stores, ["jobs:read", "metrics:read"]);
  for (const path of [
    "/admin/",
    "/admin/queues",
    "/admin/queues/api/queues",
    "/admin/other/page",
    "//admin/queues",
    "/admin//queues",
  ]) {
    _expectProblem(await send([path], _bearer(key)), "insufficient-scope");
  }
});

test("Bull Board, which shows all queues, is refused to restricted keys", async () => {
  const { key } = await _issue(stores, ["queues:admin"], { queues: ["default"] });
  for (const path of ["/admin/queues", "/admin/queues/api/queues"]) {
    _expectProblem(await send([path], _bearer(key)), "forbidden-resource");
  }
});

const none = "019c2f1e-7b1a-7c3d-8a4e-5f6071829304";
const missing: Ids = {
  job: none,
  waiting: none,
  delayed: none,
  promoted: none,
  ended: none,
  dead: none,
  redriven: none,
  deleted: none,
  operation: none,
  import: none,
  parted: none,
  key: "0mibwkq0705f60718",
  schedule: "missing",
  feed: "https://missing.example/",
  webhook: "missing",
  deletedWebhook: "missing",
  pushType: "missing",
  deletedType: "missing",
};
