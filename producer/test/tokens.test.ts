import { afterAll, beforeAll, expect, test } from "bun:test";
import { ConfigError } from "@toril/contract/engine/config/config";
import { _openIssuer, type _Issuer } from "../../contract/test/_issuer.ts";
import { _bearer, _issue } from "./_keys.ts";
import {
  _echo,
  _expectProblem,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
} from "./_producer.ts";

const audience = "https://toril.example";
let stores: _Stores;
let issuer: _Issuer;
let producer: _Producer;

beforeAll(async () => {
  stores = await _openStores();
  issuer = await _openIssuer(audience);
  producer = await _startProducer(stores, {
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: `other, ${audience}`,
    OIDC_SCOPE_CLAIM: "permissions",
    OIDC_TENANT_CLAIM: "org.id",
  });
});
afterAll(async () => {
  await producer.close();
  await issuer.close();
  await stores.close();
});

async function holder(permissions: string[], org = "acme", claims = {}) {
  return _bearer(await issuer.sign({ permissions, org: { id: org }, ...claims }));
}

test("a token grants access like a key, within its scopes and tenant", async () => {
  const acme = await holder(["jobs:write", "jobs:read", "unheard:of"]);
  const answer = await producer.post(_echo(), acme);
  expect(answer.status).toBe(201);
  expect(answer.headers.has("ratelimit")).toBe(false);
  const path = `/v1/jobs/${answer.body.id}`;
  expect((await producer.request(path, { headers: acme })).status).toBe(200);

  const reader = await holder(["jobs:read"]);
  _expectProblem(await producer.post(_echo(), reader), "insufficient-scope");
  expect((await producer.request(path, { headers: reader })).status).toBe(200);

  const stranger = await holder(["jobs:read"], "bulls");
  _expectProblem(await producer.request(path, { headers: stranger }), "job-not-found");
});

test("an invalid token is refused", async () => {
  const expired = await holder(["jobs:read"], "acme", { exp: 1 });
  const answer = await producer.request("/v1/jobs", { headers: expired });
  _expectProblem(answer, "unauthenticated");
  expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
  const homeless = await holder(["jobs:read"], "not a tenant");
  _expectProblem(await producer.request("/v1/jobs", { headers: homeless }), "unauthenticated");
});

test("with OIDC_ISSUER requests require a key or a token", async () => {
  _expectProblem(await producer.post(_echo()), "unauthenticated");
});

test("keys work in addition to tokens", async () => {
  const { key } = await _issue(stores, ["jobs:write"]);
  expect((await producer.post(_echo(), _bearer(key))).status).toBe(201);
});

test("while the issuer is unavailable, cached keys are used, and an unverifiable token gets 503", async () => {
  const known = await holder(["jobs:write"]);
  expect((await producer.post(_echo(), known)).status).toBe(201);
  await issuer.stop();
  expect((await producer.post(_echo(), known)).status).toBe(201);
  const fresh = await holder(["jobs:write"], "acme", { sub: "bob" });
  expect((await producer.post(_echo(), fresh)).status).toBe(201);
  const late = await _startProducer(stores, {
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: audience,
  });
  _expectProblem(await late.post(_echo(), known), "at-capacity");
  await late.close();
  issuer.comeBack();
});

test("tokens with an invalid signature count as failed logins, expired ones do not", async () => {
  const strict = await _startProducer(stores, {
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: audience,
    WRONG_KEYS_PER_MINUTE: "5",
  });
  const ended = await holder(["jobs:read"], "acme", { aud: "elsewhere" });
  const forged = _bearer(`${(await issuer.sign()).slice(0, -8)}AAAAAAAA`);
  for (let count = 0; count < 10; count += 1) {
    _expectProblem(await strict.request("/v1/jobs", { headers: ended }), "unauthenticated");
  }
  for (let count = 0; count < 5; count += 1) {
    _expectProblem(await strict.request("/v1/jobs", { headers: forged }), "unauthenticated");
  }
  _expectProblem(await strict.request("/v1/jobs", { headers: forged }), "too-many-failed-logins");
  await strict.close();
});

test("OIDC_ISSUER without OIDC_AUDIENCE is a configuration error", async () => {
  const start = _startProducer(stores, { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: " , " });
  await expect(start).rejects.toEqual(new ConfigError("OIDC_ISSUER needs OIDC_AUDIENCE"));
});
