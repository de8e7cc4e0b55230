import { afterAll, expect } from "bun:test";
import addFormats from "ajv-formats";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { Redis } from "ioredis";
import { pino } from "pino";
import { createClient } from "@toril/client";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { buildOpenApi } from "@toril/contract/api/openapi/openapi";
import { shippedApi, shippedRegistry } from "../../contract/test/_job-types.ts";
import { escapePointer } from "@toril/contract/api/json/json";
import { Problem, problemType, type ProblemKind } from "@toril/contract/api/problem";
import { _noteProblem } from "../../contract/test/_problems.ts";
import { createTestLedger, testPrefix, testRedisUrl } from "../../contract/test/_stores.ts";
export { _until } from "../../contract/test/_until.ts";
import { Config } from "../src/config.ts";
import { openProducer } from "../src/producer.ts";
import { bun } from "../src/runtime/serve-bun.ts";

type Settings = Partial<Record<keyof typeof Config.shape, string>>;

const cleared = [
  "jobs",
  "job_terms",
  "operations",
  "idempotency_keys",
  "imports",
  "import_parts",
  "import_errors",
];

/** Opens stores for one test file, for one or more producers. */
export async function _openStores() {
  const ledger = await createTestLedger();
  const redis = new Redis(testRedisUrl);
  const prefix = testPrefix();

  async function keys() {
    const found: string[] = [];
    for await (const page of redis.scanStream({ match: `${prefix}:*`, count: 1000 }))
      found.push(...page);
    return found;
  }

  return {
    sql: ledger.sql,
    redis,
    prefix,
    settings: { DATABASE_URL: ledger.url, REDIS_URL: testRedisUrl, BULL_PREFIX: prefix },
    /** Counts rows in Postgres and jobs in Redis. */
    async count() {
      const [row] = await ledger.sql<{ jobs: number; keys: number; imports: number }[]>`
        select (select count(*)::int from jobs) as jobs,
               (select count(*)::int from idempotency_keys) as keys,
               (select count(*)::int from imports) as imports`;
      const dispatched = (await keys()).filter((key) => /:[0-9a-f]{8}-[-0-9a-f]{27}$/.test(key));
      return { ...row!, dispatched: dispatched.length };
    },
    async clear() {
      // A truncate takes 25 ms of CPU time. Like a truncate, the lock waits for transactions that still write.
      await ledger.sql.unsafe(`
        lock table ${cleared.join(", ")} in share row exclusive mode;
        ${cleared.map((table) => `delete from ${table}`).join("; ")}`);
      const found = await keys();
      if (found.length > 0) await redis.del(found);
    },
    async close() {
      const found = await keys();
      if (found.length > 0) await redis.del(found);
      redis.disconnect();
      await ledger[Symbol.asyncDispose]();
    },
  };
}

export const _nothing = { jobs: 0, keys: 0, imports: 0, dispatched: 0 };

export type _Stores = Awaited<ReturnType<typeof _openStores>>;

/** No deadline ends because the machine is busy; tests of deadlines set their own. */
const longTimeouts = { PORT: "0", DRAIN_MS: "30000", REQUEST_TIMEOUT_MS: "30000" };

/** Starts a producer in this process and collects its log lines. */
export async function _startProducer(
  stores: _Stores,
  settings: Settings = {},
  jobTypes: JobTypeRegistry = shippedRegistry,
) {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: "trace" }, { write: (line) => lines.push(JSON.parse(line)) });
  const producer = await openProducer(
    jobTypes,
    Config.parse({ ...longTimeouts, ...stores.settings, ...settings }),
    { log },
    bun,
  );
  const request = async (path: string, init?: RequestInit) =>
    _checked(await fetch(`${producer.url.origin}${path}`, init), init?.method ?? "GET", path);
  return {
    ...producer,
    lines,
    request,
    /** The typed client, whose responses are checked against the contract, too. */
    client: createClient({
      baseUrl: producer.url.href,
      retry: false,
      async fetch(requested) {
        const response = await fetch(requested);
        if (isStream(response)) return response;
        const answer = await _checked(response, requested.method, new URL(requested.url).pathname);
        return new Response(answer.text, answer);
      },
    }),
    /** Returns the value of a metric without labels. */
    async metric(name: string) {
      const { text } = await request("/metrics");
      return Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1]);
    },
    post: (body: unknown, headers: Record<string, string> = {}) =>
      request("/v1/jobs", _json(body, headers)),
    bulk: (body: unknown, query = "", headers: Record<string, string> = {}) =>
      request(`/v1/jobs/bulk${query}`, _json(body, headers)),
    csv: (body: RequestInit["body"], query = "?type=row.import", contentType = "text/csv") =>
      request(`/v1/imports${query}`, {
        method: "POST",
        headers: { "Content-Type": contentType },
        body,
      }),
  };
}

export type _Producer = Awaited<ReturnType<typeof _startProducer>>;

/** Opens stores with one producer for a test file, and closes both after its last test. */
export async function _openProducer(settings: Settings = {}) {
  const stores = await _openStores();
  const producer = await _startProducer(stores, settings);
  afterAll(async () => {
    await producer.close();
    await stores.close();
  });
  return { stores, producer };
}

/** Builds a request with a JSON body; text and bytes are sent verbatim. */
export function _json(body: unknown, headers: Record<string, string> = {}): RequestInit {
  const isRaw = typeof body === "string" || body instanceof Uint8Array;
  return {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: isRaw ? body : JSON.stringify(body),
  };
}

export interface _Answer {
  status: number;
  headers: Headers;
  text: string;
  // oxlint-disable-next-line no-explicit-any -- it was parsed by the schema that the contract declares
  body: any;
}

/** Checks a response against the contract. */
export async function _checked(response: Response, method: string, path: string): Promise<_Answer> {
  const { status, headers } = response;
  expect(headers.get("x-request-id")).toBeTruthy();
  // An event stream does not end by itself.
  if (isStream(response)) {
    await response.body?.cancel();
    return { status, headers, text: "", body: undefined };
  }
  const text = await response.text();
  const address = path.split("?")[0]!;
  const spelled = routes.filter((candidate) => candidate.path === address);
  const served =
    spelled.length > 0
      ? spelled
      : routes.filter((candidate) => toPattern(candidate.path).test(address));
  const route = served.find((candidate) => candidate.method === method.toLowerCase());
  if (route === undefined) {
    const body = parseText(text);
    const problem = Problem.safeParse(body);
    if (problem.success) _noteProblem(problem.data.type);
    return { status, headers, text, body };
  }

  const declared = document.paths?.[route.path]?.[route.method]?.responses?.[status];
  if (declared !== undefined && !("content" in declared)) {
    expect(text).toBe("");
    return { status, headers, text, body: undefined };
  }
  const contentType = headers.get("content-type")!;
  expect(Object.keys(declared?.content ?? {}), `${method} ${path}: ${status} ${text}`).toContain(
    contentType,
  );
  for (const [name, header] of Object.entries(declared?.headers ?? {})) {
    const { required: isRequired = true } = header as { required?: boolean };
    if (isRequired && !isOptional(name)) expect(headers.get(name)).toBeTruthy();
  }
  const responses = route.responses as Record<
    number,
    { content?: Record<string, { schema: unknown }> } | undefined
  >;
  const schema = responses[status]?.content?.[contentType]?.schema as typeof Problem;
  // Only JSON has a documented schema.
  if (!/[/+]json$/.test(contentType)) return { status, headers, text, body: undefined };
  const body = schema.parse(JSON.parse(text));
  expect(body).toEqual(JSON.parse(text));
  const isDocumented = documentedBody(
    ["paths", route.path, route.method, "responses", status],
    contentType,
  );
  expect(isDocumented(body) ? [] : isDocumented.errors, `${method} ${path}: ${text}`).toEqual([]);
  if (contentType === "application/problem+json") {
    expect(body.status).toBe(status);
    expect(body.requestId).toBe(headers.get("x-request-id")!);
    _noteProblem(body.type);
  }
  return { status, headers, text, body };
}

/** Asserts the problem type of a response and returns its body. */
export function _expectProblem(answer: _Answer, kind: ProblemKind): Problem {
  const problem = Problem.loose().parse(answer.body);
  expect(problem.type, answer.text).toBe(problemType(kind));
  expect(problem.status).toBe(answer.status);
  return problem;
}

export function _echo(message = "hello", more: object = {}) {
  return { type: "echo", data: { message }, ...more };
}

function isStream({ headers }: Response) {
  return headers.get("content-type") === "text/event-stream";
}

const routes = Object.values(shippedApi);
const document = buildOpenApi(shippedApi, "test");

const ajv = addFormats.default(new Ajv2020({ strict: false }));
ajv.addSchema(document, "openapi");
const compiled = new Map<string, ValidateFunction>();

/** Returns the documented schema of a response body, compiled for a client that knows only the document. */
function documentedBody(response: (string | number)[], contentType: string): ValidateFunction {
  const steps = [...response, "content", contentType, "schema"];
  const pointer = steps.map((step) => encodeURIComponent(escapePointer(String(step)))).join("/");
  let validate = compiled.get(pointer);
  if (validate === undefined) {
    validate = ajv.compile({ $ref: `openapi#/${pointer}` });
    compiled.set(pointer, validate);
  }
  return validate;
}

function isOptional(header: string) {
  return header === "Idempotency-Replayed" || header.startsWith("RateLimit");
}

function toPattern(path: string) {
  return new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`);
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
