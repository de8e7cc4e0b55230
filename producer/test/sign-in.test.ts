import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { ConfigError } from "@toril/contract/engine/config/config";
import { readNewestAudit } from "@toril/contract/engine/audit/read-audit";
import { _openIssuer, type _Issuer } from "../../contract/test/_issuer.ts";
import {
  _echo,
  _expectProblem,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
  _until,
} from "./_producer.ts";

const audience = "https://toril.example/api";
const origin = "https://toril.example";
const fromConsole = { "Toril-Console": "1", "Sec-Fetch-Site": "same-origin", Origin: origin };
const consent = "Sign in as alice";

let stores: _Stores;
let issuer: _Issuer;
let people: ReturnType<_Issuer["openForPeople"]>;
let producers: [_Producer, _Producer];
let settings: Record<string, string>;
let signAccessToken: () => Promise<string>;

beforeAll(async () => {
  stores = await _openStores();
  issuer = await _openIssuer(audience);
  const client = { clientId: "console", clientSecret: "a secret" };
  people = issuer.openForPeople({
    ...client,
    redirectUri: `${origin}/console/session/callback`,
    signAccessToken: () => signAccessToken(),
  });
  settings = {
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: audience,
    OIDC_CLIENT_ID: client.clientId,
    OIDC_CLIENT_SECRET: client.clientSecret,
    PUBLIC_URL: origin,
  };
  producers = [await _startProducer(stores, settings), await _startProducer(stores, settings)];
});
afterAll(async () => {
  await Promise.all(producers.map((producer) => producer.close()));
  await issuer.close();
  await stores.close();
});
beforeEach(() => {
  signAccessToken = () => issuer.sign({ scope: "jobs:write jobs:read audit:read" });
});

/** A browser that keeps cookies, at the first or second producer behind the load balancer. */
function openBrowser() {
  const cookies = new Map<string, string>();
  async function visit(at: 0 | 1, path: string, init: RequestInit = {}) {
    const Cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...(init.headers as Record<string, string>), Cookie };
    const answer = await producers[at].request(path, { redirect: "manual", ...init, headers });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      if (value === "") cookies.delete(name);
      else cookies.set(name, value);
    }
    return answer;
  }
  return {
    cookies,
    visit,
    /** Begins a sign-in, and returns where the issuer sends the browser after its answer. */
    async begin(to = "/console/jobs?type=echo", choice = consent) {
      const answer = await visit(0, `/console/session/login?to=${encodeURIComponent(to)}`);
      expect(answer.status).toBe(302);
      const page = await (await fetch(answer.headers.get("location")!)).text();
      const [, link = ""] = new RegExp(`href="([^"]+)">${choice}<`).exec(page)!;
      const { pathname, search, origin: target } = new URL(link.replaceAll("&amp;", "&"));
      expect(target).toBe(origin);
      return pathname + search;
    },
    async getError() {
      return (await visit(1, "/console/session", { headers: fromConsole })).body.error;
    },
  };
}

async function newestAudit() {
  const [entry] = await readNewestAudit(stores.sql, 1);
  return [entry?.actor, entry?.action, entry?.outcome];
}

test("a person signs in at the issuer, and every producer accepts the session", async () => {
  const browser = openBrowser();
  const back = await browser.begin();
  const pending = browser.cookies.get("__Host-toril-sign-in");
  expect(pending).toBeDefined();
  // Another producer completes the sign-in.
  const answer = await browser.visit(1, back, { headers: { "Sec-Fetch-Site": "cross-site" } });
  expect(answer.status).toBe(200);
  expect(answer.text).toContain('content="0;url=/console/jobs?type=echo"');
  const session = answer.headers.getSetCookie().find((each) => each.includes("toril-session="));
  expect(session).toMatch(/^__Host-.*; Path=\/; .*HttpOnly; SameSite=Strict; Secure$/);
  expect(browser.cookies.has("__Host-toril-sign-in")).toBe(false);
  expect(await newestAudit()).toEqual(["token:alice", "signIn", "done"]);

  for (const at of [0, 1] as const) {
    const { body } = await browser.visit(at, "/v1/whoami", { headers: fromConsole });
    expect(body).toMatchObject({ kind: "token", id: "alice", tenant: "default" });
  }
  const headers = { ...fromConsole, "Content-Type": "application/json" };
  const body = JSON.stringify(_echo());
  expect((await browser.visit(0, "/v1/jobs", { method: "POST", headers, body })).status).toBe(201);
  expect(await newestAudit()).toEqual(["token:alice", "createJob", "done"]);
  for (const site of ["cross-site", "same-site"]) {
    const foreign = { "Content-Type": "application/json", "Sec-Fetch-Site": site };
    const refused = await browser.visit(0, "/v1/jobs", { method: "POST", headers: foreign, body });
    _expectProblem(refused, "unauthenticated");
  }
  expect(JSON.stringify([producers[0].lines, producers[1].lines])).not.toContain(
    browser.cookies.get("__Host-toril-session")!,
  );
});

test("a response of the issuer that the browser did not ask for is refused", async () => {
  const [browser, other] = [openBrowser(), openBrowser()];
  const back = await other.begin();
  // Without a sign-in of its own, and with one of another state.
  for (const before of [async () => {}, () => browser.begin()]) {
    await before();
    issuer.requested();
    await browser.visit(1, back);
    expect(issuer.requested()).not.toContain("/realm/token");
    expect(browser.cookies.has("__Host-toril-session")).toBe(false);
    expect(await browser.getError()).toBeString();
    expect(await browser.getError()).toBeNull();
  }
  expect((await newestAudit()).slice(0, 2)).toEqual(["unknown", "signIn"]);
  // The code is still valid in the browser that asked for it, but only once.
  await other.visit(1, back);
  expect(other.cookies.has("__Host-toril-session")).toBe(true);
  const session = other.cookies.get("__Host-toril-session")!;
  await other.visit(1, back);
  expect(other.cookies.get("__Host-toril-session")).toBe(session);
});

test.each([
  ["that is expired", { exp: 1 }, /expired/],
  ["for another audience", { aud: "other" }, /aud/],
  ["without a scope of Toril", { scope: "email" }, /no scope/],
  ["that is too long for a cookie", { padding: "x".repeat(5000) }, /too long/],
])("an access token %s is refused with the reason", async (_, claims, reason) => {
  signAccessToken = () => issuer.sign(claims);
  const browser = openBrowser();
  await browser.visit(0, await browser.begin());
  expect(browser.cookies.has("__Host-toril-session")).toBe(false);
  expect(await browser.getError()).toMatch(reason);
  expect(await newestAudit()).toEqual(["unknown", "signIn", "unauthenticated"]);
});

test("the sign-in page shows that the person or the issuer refused", async () => {
  const browser = openBrowser();
  const answer = await browser.visit(0, await browser.begin("/console/keys", "Refuse"));
  expect(answer.text).toContain('content="0;url=/console/keys"');
  expect(await browser.getError()).toContain("alice said no");
});

test.each([
  "https://evil.example/",
  "//evil.example",
  "/v1/jobs",
  "/console/session/login",
  "\\evil",
])("after the sign-in, the browser stays in the console: %s", async (to) => {
  const browser = openBrowser();
  const answer = await browser.visit(0, await browser.begin(to));
  expect(answer.text).toContain('content="0;url=/console"');
});

test("an expired session is refreshed, once per refresh token, until the sign-out", async () => {
  const browser = openBrowser();
  await browser.visit(0, await browser.begin());
  const first = browser.cookies.get("__Host-toril-session")!;
  const refresh = (headers: Record<string, string>) =>
    browser.visit(1, "/console/session/refresh", { method: "POST", headers });
  for (const headers of [{}, { ...fromConsole, "Sec-Fetch-Site": "cross-site" }]) {
    _expectProblem(await refresh(headers), "unauthenticated");
  }
  signAccessToken = () => issuer.sign({ sub: "alice", scope: "jobs:read", jti: "second" });
  expect((await refresh(fromConsole)).status).toBe(204);
  expect(browser.cookies.get("__Host-toril-session")).not.toBe(first);
  const { body } = await browser.visit(0, "/v1/whoami", { headers: fromConsole });
  expect(body.scopes).toEqual(["jobs:read"]);

  const { revoked } = people.counts;
  const kept = new Map(browser.cookies);
  const signedOut = await browser.visit(0, "/console/session", {
    method: "DELETE",
    headers: fromConsole,
  });
  const signOutUrl = new URL(signedOut.body.signOutUrl);
  expect(signOutUrl.origin + signOutUrl.pathname).toBe(`${issuer.url}/logout`);
  expect(Object.fromEntries(signOutUrl.searchParams)).toEqual({
    client_id: "console",
    post_logout_redirect_uri: `${origin}/console`,
  });
  expect([...browser.cookies.keys()]).toEqual([]);
  expect(await newestAudit()).toEqual(["token:alice", "signOut", "done"]);
  for (const [name, value] of kept) browser.cookies.set(name, value);
  // The sign-out revokes the refresh token in the background.
  await _until(() => people.counts.revoked > revoked);
  _expectProblem(await refresh(fromConsole), "unauthenticated");
  expect([...browser.cookies.keys()]).toEqual([]);
});

test("while the issuer is unavailable, the sign-in says so, and sessions go on", async () => {
  const browser = openBrowser();
  await browser.visit(0, await browser.begin());
  const back = await browser.begin();
  await issuer.stop();
  try {
    const again = openBrowser();
    again.cookies.set("__Host-toril-sign-in", browser.cookies.get("__Host-toril-sign-in")!);
    await again.visit(0, back);
    expect(await again.getError()).toContain("unavailable");
    const refreshed = await browser.visit(0, "/console/session/refresh", {
      method: "POST",
      headers: fromConsole,
    });
    _expectProblem(refreshed, "at-capacity");
    expect((await browser.visit(0, "/v1/whoami", { headers: fromConsole })).status).toBe(200);
  } finally {
    issuer.comeBack();
  }
});

test.each([502, 429])("a status %d of the issuer ends no session", async (status) => {
  const browser = openBrowser();
  await browser.visit(0, await browser.begin());
  issuer.refuseTokens(status);
  try {
    const options = { method: "POST", headers: fromConsole };
    const refreshed = await browser.visit(0, "/console/session/refresh", options);
    _expectProblem(refreshed, "at-capacity");
    expect(browser.cookies.has("__Host-toril-refresh")).toBe(true);
  } finally {
    issuer.refuseTokens(undefined);
  }
});

test("an address that failed to sign in too often causes no further requests to the issuer", async () => {
  const producer = await _startProducer(stores, { ...settings, WRONG_KEYS_PER_MINUTE: "2" });
  try {
    const headers = { ...fromConsole, Cookie: "__Host-toril-refresh=guessed" };
    const refresh = () => producer.request("/console/session/refresh", { method: "POST", headers });
    for (const _ of [1, 2]) _expectProblem(await refresh(), "unauthenticated");
    const browser = openBrowser();
    const back = await browser.begin();
    issuer.requested();
    _expectProblem(await refresh(), "too-many-failed-logins");
    const Cookie = `__Host-toril-sign-in=${browser.cookies.get("__Host-toril-sign-in")!}`;
    const refused = await producer.request(back, { headers: { Cookie } });
    expect(refused.headers.getSetCookie().join()).not.toContain("toril-session=");
    expect(issuer.requested()).not.toContain("/realm/token");
  } finally {
    await producer.close();
  }
});

test("the client needs the issuer and the public address", async () => {
  const client = { OIDC_CLIENT_ID: "console" };
  const oidc = { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: audience };
  for (const wrong of [
    client,
    { ...client, ...oidc },
    { ...client, ...oidc, PUBLIC_URL: `${origin}/toril` },
  ]) {
    await expect(_startProducer(stores, wrong)).rejects.toThrow(ConfigError);
  }
});
