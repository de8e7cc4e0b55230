import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AuditEntry } from "@toril/contract/api/access/audit-entry";
import { formatRate } from "../console/ui/numbers.ts";
import { formatDuration, formatInterval } from "../console/ui/durations.ts";
import { findClockChanges, findTicks } from "../console/ui/zoned-axis.ts";
import { createConsoleFiles } from "../src/console/console-files.ts";
import { _bearer, _issue } from "./_keys.ts";
import {
  _echo,
  _expectProblem,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
} from "./_producer.ts";

let stores: _Stores;
let producers: [_Producer, _Producer];
let key: string;
let id: string;

beforeAll(async () => {
  stores = await _openStores();
  producers = [await _startProducer(stores), await _startProducer(stores)];
  ({ key, id } = await _issue(stores, ["jobs:read", "jobs:write"], { name: "Ada" }));
});
afterAll(async () => {
  await Promise.all(producers.map((producer) => producer.close()));
  await stores.close();
});

test("the console has at most 150,000 bytes, compressed", async () => {
  const files = await createConsoleFiles()();
  const total = [...files!.values()].reduce((sum, { gzipped }) => sum + gzipped.length, 0);
  console.log(`console: ${total} bytes, compressed`);
  expect(total).toBeLessThanOrEqual(150_000);
});

test("a time axis has the days of its zone, and the changes of its clock", () => {
  const span = { from: Date.parse("2026-10-23T12:00Z"), to: Date.parse("2026-10-26T12:00Z") };
  const midnights = findTicks("Europe/Berlin", span).map(({ at }) => new Date(at).toISOString());
  expect(midnights).toEqual([
    "2026-10-23T22:00:00.000Z",
    "2026-10-24T22:00:00.000Z",
    "2026-10-25T23:00:00.000Z",
  ]);
  const [change, ...others] = findClockChanges("Europe/Berlin", span);
  expect([new Date(change!.at).toISOString(), others]).toEqual(["2026-10-25T01:00:00.000Z", []]);
  expect(change!.text).toContain("from GMT+02:00 to GMT+01:00");
  expect(findClockChanges("Asia/Kolkata", span)).toEqual([]);
});

test("durations and rates are not rounded to something else", () => {
  expect(
    [0.4, 340, 999.7, 2400, 59_990, 90_000, 3_599_989, 172_800_000].map(formatDuration),
  ).toEqual(["0.4 ms", "340 ms", "1 s", "2.4 s", "1 min", "1.5 min", "1 h", "2 d"]);
  expect([1500, 90_000, 5_400_000, 86_400_000].map(formatInterval)).toEqual([
    "1 s 500 ms",
    "1 min 30 s",
    "1 h 30 min",
    "1 d",
  ]);
  expect([0, 0.03, 0.5, 12.4, 2000].map(formatRate)).toEqual(["0", "< 0.1", "0.5", "12", "2K"]);
});

describe("the files", () => {
  const get = (path: string, headers = {}) => producers[0].request(path, { headers });

  test.each(["/console", "/console/", "/console/jobs/some-id"])(
    "%s is the document of the console",
    async (path) => {
      const answer = await get(path);
      expect(answer.status).toBe(200);
      const policy = answer.headers.get("content-security-policy")!;
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toContain("unsafe");
      expect(answer.headers.get("cache-control")).toBe("no-cache");
      const again = await get(path, { "If-None-Match": answer.headers.get("etag")! });
      expect([again.status, again.text]).toEqual([304, ""]);
    },
  );

  test("scripts and styles are cached for ever under a name with their hash", async () => {
    const { text } = await get("/console");
    const assets = [...text.matchAll(/"(\/console\/assets\/[^"]+)"/g)].map(([, path]) => path!);
    expect(assets.length).toBe(2);
    for (const path of assets) {
      const answer = await get(path, { "Accept-Encoding": "gzip" });
      expect([answer.status, answer.headers.get("cache-control")]).toEqual([
        200,
        "public, max-age=31536000, immutable",
      ]);
      const plain = await get(path, { "Accept-Encoding": "identity" });
      expect([plain.text, plain.headers.get("content-encoding")]).toEqual([answer.text, null]);
    }
    _expectProblem(await get("/console/assets/missing.js"), "not-found");
  });
});

describe("the session", () => {
  const fromConsole = { "Toril-Console": "1" };

  async function signIn(headers: Record<string, string> = {}) {
    const answer = await producers[0].request("/console/session", {
      method: "POST",
      headers: { ..._bearer(key), ...fromConsole, ...headers },
    });
    expect(answer.status).toBe(204);
    const [cookie = ""] = answer.headers.getSetCookie();
    return { cookie, pair: cookie.replace(/;.*/, "") };
  }

  test("sign-ins, also failed ones, actions and sign-outs are audited with their actor", async () => {
    const { key: auditor } = await _issue(stores, ["audit:read"]);
    const other = await _issue(stores, ["jobs:write"]);
    const { pair: Cookie } = await signIn(_bearer(other.key));
    const headers = { Cookie, ...fromConsole };
    const { request, post } = producers[1];
    // These are no dry runs, whatever their query says: the last value counts, or the operation has no such parameter.
    const made = await request("/v1/jobs?dryRun=true&dryRun=false", _json(_echo(), headers));
    const path = `/v1/jobs/${made.body.id}`;
    const missing = Bun.randomUUIDv7();
    await request(`${path}?dryRun=true`, { method: "DELETE", headers });
    await request("/v1/imports?dryRun=true", _json({ type: "echo" }, headers));
    await request(`/v1/jobs/${missing}`, { method: "DELETE", headers });
    // Neither a dry run, valid or not, nor a program is audited.
    for (const [path, value, isValid] of [
      ["/v1/jobs?dryRun=true", _echo(), true],
      ["/v1/jobs?dryRun=true", {}, false],
      ["/v1/jobs/bulk?dryRun=true", [_echo()], true],
      ["/v1/imports?type=echo&dryRun=true", [_echo().data], true],
      ["/v1/dead-letters/redrive", { all: true, dryRun: true }, true],
    ] as const) {
      const { status } = await request(path, _json(value, headers));
      expect([path, status < 300]).toEqual([path, isValid]);
    }
    await post(_echo(), _bearer(other.key));
    await request("/console/session", { method: "DELETE", headers });
    const wrong = { ..._bearer("toril_wrong"), ...fromConsole };
    await request("/console/session", { method: "POST", headers: wrong });

    const { body } = await request("/v1/audit?limit=7", { headers: _bearer(auditor) });
    const actor = `key:${other.id}`;
    const session = "/console/session";
    expect(
      body.items.map((entry: AuditEntry) => [
        entry.actor,
        entry.action,
        entry.target,
        entry.outcome,
      ]),
    ).toEqual([
      ["unknown", "signIn", session, "unauthenticated"],
      [actor, "signOut", session, "done"],
      [actor, "cancelJob", `/v1/jobs/${missing}`, "job-not-found"],
      [actor, "createImport", "/v1/imports", "invalid-parameter"],
      [actor, "cancelJob", path, "done"],
      [actor, "createJob", "/v1/jobs", "done"],
      [actor, "signIn", session, "done"],
    ]);
  });

  test("every producer accepts the session, which scripts cannot read", async () => {
    const { cookie, pair } = await signIn();
    expect(cookie).toMatch(/^toril-session=.+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
    for (const { request } of producers) {
      const { body } = await request("/v1/whoami", { headers: { Cookie: pair, ...fromConsole } });
      expect(body).toMatchObject({ kind: "key", id, name: "Ada" });
      expect(body.scopes).toEqual(expect.arrayContaining(["jobs:read", "jobs:change"]));
    }
    const enqueued = await producers[1].post(_echo(), { Cookie: pair, ...fromConsole });
    expect(enqueued.status).toBe(201);
  });

  test("with TLS, the cookie is sent with TLS only", async () => {
    const { cookie, pair } = await signIn({ Origin: "https://toril.example" });
    expect(cookie).toMatch(/^__Host-toril-session=.*; Secure$/);
    const answer = await producers[0].request("/v1/whoami", {
      headers: { Cookie: pair, ...fromConsole },
    });
    expect(answer.status).toBe(200);
    // A cookie without the prefix may be from another host of the domain.
    const [, value = ""] = pair.split("=");
    const headers = { Cookie: `toril-session=${value}`, ...fromConsole };
    expect((await producers[0].request("/v1/whoami", { headers })).status).toBe(200);
    for (const secure of [{ "X-Forwarded-Proto": "https" }, { Origin: "https://toril.example" }]) {
      const refused = await producers[0].request("/v1/whoami", {
        headers: { ...headers, ...secure },
      });
      _expectProblem(refused, "unauthenticated");
    }
  });

  test("no page but the console can act with the session", async () => {
    const { pair: Cookie } = await signIn();
    for (const headers of [
      {},
      { "Sec-Fetch-Site": "same-origin" },
      { "Sec-Fetch-Site": "cross-site" },
      { "Sec-Fetch-Site": "cross-site", ...fromConsole },
      { "Sec-Fetch-Site": "same-site", ...fromConsole },
    ]) {
      _expectProblem(await producers[0].post(_echo(), { Cookie, ...headers }), "unauthenticated");
    }
    for (const site of ["cross-site", "same-site", "none"]) {
      const headers = { Cookie, "Sec-Fetch-Site": site };
      _expectProblem(await producers[0].request("/v1/jobs", { headers }), "unauthenticated");
    }
    const preflight = await producers[0].request("/v1/jobs", {
      method: "OPTIONS",
      headers: { Origin: "https://other.example", "Access-Control-Request-Method": "POST" },
    });
    expect(preflight.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("pages open by links of the same origin and by their address, but not from another site", async () => {
    const { pair: Cookie } = await signIn();
    for (const path of ["/docs", "/openapi.json"]) {
      const open = (site: string) =>
        producers[0].request(path, { headers: { Cookie, "Sec-Fetch-Site": site } });
      for (const site of ["same-origin", "none"]) expect((await open(site)).status).toBe(200);
      _expectProblem(await open("same-site"), "unauthenticated");
      _expectProblem(await open("cross-site"), "unauthenticated");
    }
  });

  test("a wrong key starts no session, and the browser asks for no password", async () => {
    const headers = { ..._bearer(`${key}0`), ...fromConsole };
    const answer = await producers[0].request("/console/session", { method: "POST", headers });
    _expectProblem(answer, "unauthenticated");
    expect(answer.headers.getSetCookie()).toEqual([]);
    const events = await producers[0].request("/v1/events", { headers: fromConsole });
    expect(events.headers.get("www-authenticate")).toStartWith("Bearer");
  });

  test("a session ends with sign-out, and with its key", async () => {
    const other = await _issue(stores, ["jobs:read", "keys:admin"]);
    const { pair: Cookie } = await signIn(_bearer(other.key));
    const headers = { Cookie, ...fromConsole };
    const answer = await producers[0].request("/console/session", { method: "DELETE", headers });
    expect(answer.headers.getSetCookie()[0]).toContain("toril-session=; Path=/; Max-Age=0");
    const revoked = await producers[0].request(`/v1/keys/${other.id}`, {
      method: "DELETE",
      headers,
    });
    expect(revoked.status).toBe(200);
    _expectProblem(await producers[0].request("/v1/whoami", { headers }), "unauthenticated");
  });
});
