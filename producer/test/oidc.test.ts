import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { UnsecuredJWT } from "jose";
import { pino } from "pino";
import { expandScopes } from "@toril/contract/api/access/scope";
import { createAuthenticator } from "../src/auth/authenticator.ts";
import { openKeyTable } from "../src/auth/key-table.ts";
import { createKeyUses } from "../src/auth/key-uses.ts";
import { fetchKeys } from "../src/auth/oidc/fetch-keys.ts";
import { createKeySet } from "../src/auth/oidc/key-set.ts";
import { createVerifyToken } from "../src/auth/oidc/verify-token.ts";
import { _openIssuer, type _Issuer } from "../../contract/test/_issuer.ts";
import { _until } from "./_producer.ts";

const audience = "https://toril.example";
const day = 86_400_000;
let issuer: _Issuer;
let now: number;

beforeEach(async () => {
  now = Date.now();
  issuer = await _openIssuer(audience);
});
afterEach(() => issuer.close());

function open(
  settings: { jwksUrl?: string; tenant?: string; scope?: string; issuer?: string } = {},
) {
  const failures: unknown[] = [];
  let changes = 0;
  const keys = createKeySet({
    load: () =>
      fetchKeys({ issuer: settings.issuer ?? issuer.url, jwksUrl: settings.jwksUrl }, 3000),
    maxAgeMs: 600_000,
    cooldownMs: 30_000,
    retryMs: 1000,
    now: () => now,
    onChange: () => (changes += 1),
    onFailure: (error) => failures.push(error),
  });
  const verify = createVerifyToken({
    keys,
    issuer: settings.issuer ?? issuer.url,
    audiences: ["other", audience],
    claims: { scope: settings.scope ?? "scope", tenant: settings.tenant },
    now: () => now,
  });
  return { verify, failures, changes: () => changes };
}

const seconds = () => Math.floor(now / 1000);

describe("a token is refused", () => {
  const bad: [string, () => Promise<string>, RegExp][] = [
    ["that is no token", async () => "abc", /neither/],
    ["whose parts are not base64", async () => "a.b.c", /neither/],
    ["that has expired", () => issuer.sign({ exp: seconds() - 6 }), /expired/],
    ["that never expires", () => issuer.sign({ exp: undefined }), /exp/],
    ["that is not valid yet", () => issuer.sign({ nbf: seconds() + 60 }), /nbf/],
    ["for another audience", () => issuer.sign({ aud: "b" }), /aud/],
    ["without an audience", () => issuer.sign({ aud: undefined }), /aud/],
    ["of another issuer", () => issuer.sign({ iss: "https://b" }), /iss/],
    [
      "without a signature",
      async () =>
        new UnsecuredJWT({ iss: issuer.url, aud: audience, sub: "a" })
          .setExpirationTime("5m")
          .encode(),
      /algorithm/,
    ],
    [
      "signed with the public key as if it were a secret",
      () => issuer.signWithPublicKey(),
      /algorithm/,
    ],
    [
      "signed with a key that its issuer does not have",
      async () => issuer.sign({}, {}, await issuer.makeKey("unknown")),
      /key/,
    ],
    [
      "signed with another key of the same name",
      async () => issuer.sign({}, {}, await issuer.makeKey("first")),
      /signature/,
    ],
    [
      "whose claims were changed",
      async () => {
        const [head, , signature] = (await issuer.sign()).split(".");
        const [, claims] = (await issuer.sign({ scope: "keys:admin" })).split(".");
        return `${head}.${claims}.${signature}`;
      },
      /signature/,
    ],
    ["of another kind", () => issuer.sign({}, { typ: "logout+jwt" }), /access token/],
    ["that is bound to a key of its client", () => issuer.sign({ cnf: { jkt: "x" } }), /cnf/],
    ["without a subject", () => issuer.sign({ sub: undefined }), /sub/],
  ];
  test.each(bad)("%s", async (_, make, reason) => {
    // Only a token that the issuer did not sign counts as a failed login.
    const isFailedLogin = ["neither", "algorithm", "key", "signature"].includes(reason.source);
    const status = isFailedLogin ? "invalid" : "rejected";
    const detail = expect.stringMatching(reason);
    expect(await open().verify(await make())).toEqual({ status, detail });
  });

  test("without the required tenant claim", async () => {
    const { verify } = open({ tenant: "org" });
    for (const org of [undefined, "", 5, ["a"], "a b", "a".repeat(64)]) {
      expect(await verify(await issuer.sign({ org }))).toMatchObject({ status: "rejected" });
    }
  });
});

describe("a token contains", () => {
  test("its subject and its expiry", async () => {
    const exp = seconds() + 300;
    expect(await open().verify(await issuer.sign({ client_id: "importer", exp }))).toEqual({
      status: "authenticated",
      principal: {
        id: "alice",
        name: "importer",
        kind: "token",
        tenant: "default",
        scopes: expandScopes(["jobs:write", "jobs:read"]),
        queues: null,
        types: null,
        quotas: null,
      },
      validUntil: (exp + 5) * 1000,
    });
  });

  test.each([
    ["scope", { scope: " jobs:read openid  jobs:write " }],
    ["scp", { scp: ["jobs:read", "jobs:write", 7] }],
    ["realm_access.roles", { realm_access: { roles: ["jobs:read", "jobs:write"] } }],
    ["https://toril.example/may", { "https://toril.example/may": "jobs:read jobs:write" }],
  ])("its scopes in the claim %s", async (scope, claims) => {
    const result = await open({ scope }).verify(await issuer.sign({ scope: undefined, ...claims }));
    expect(result).toMatchObject({
      principal: { scopes: expandScopes(["jobs:read", "jobs:write"]) },
    });
  });

  test("no scopes if the claim is missing or malformed", async () => {
    for (const scope of [undefined, 7, { a: 1 }]) {
      const result = await open().verify(await issuer.sign({ scope }));
      expect(result).toMatchObject({ principal: { scopes: new Set() } });
    }
  });

  test("its tenant in the configured claim", async () => {
    const result = await open({ tenant: "org" }).verify(await issuer.sign({ org: "acme" }));
    expect(result).toMatchObject({ principal: { tenant: "acme" } });
  });
});

describe("keys", () => {
  test("are found by discovery or at the configured address", async () => {
    await open().verify(await issuer.sign());
    expect(issuer.requested()).toEqual(["/realm/.well-known/openid-configuration", "/keys"]);
    await open({ jwksUrl: issuer.keysUrl }).verify(await issuer.sign());
    expect(issuer.requested()).toEqual(["/keys"]);
  });

  test("of another issuer are not used", async () => {
    const { verify, failures } = open({ issuer: `${issuer.url}/` });
    expect(await verify(await issuer.sign({ iss: `${issuer.url}/` }))).toEqual({
      status: "unavailable",
    });
    expect(String(failures[0])).toContain(`has the issuer ${issuer.url},`);
  });

  test.each(["RS512", "PS256", "ES256", "ES384", "EdDSA"])("may use %s", async (alg) => {
    await issuer.rotate("other", { alg });
    expect(await open().verify(await issuer.sign())).toMatchObject({ status: "authenticated" });
  });

  test("are loaded once for concurrent requests", async () => {
    const { verify } = open();
    const all = await Promise.all(
      Array.from({ length: 20 }, async () => verify(await issuer.sign())),
    );
    expect(all.every(({ status }) => status === "authenticated")).toBe(true);
    expect(issuer.requested().length).toBe(2);
  });

  test("are reloaded for an unknown key id, but not for every one", async () => {
    const { verify } = open();
    await verify(await issuer.sign());
    now += 30_000;
    await issuer.rotate("second");
    issuer.requested();
    expect(await verify(await issuer.sign())).toMatchObject({ status: "authenticated" });
    expect(issuer.requested().length).toBe(2);
    const foreign = await issuer.makeKey("unknown");
    for (let count = 0; count < 5; count += 1) {
      expect(await verify(await issuer.sign({}, {}, foreign))).toMatchObject({ status: "invalid" });
    }
    expect(issuer.requested()).toEqual([]);
    now += 30_000;
    expect(await verify(await issuer.sign({}, {}, foreign))).toMatchObject({ status: "invalid" });
    expect(issuer.requested().length).toBe(2);
  });

  test("are all tried for a token without a kid, also after a rotation", async () => {
    const first = await issuer.makeKey("a");
    const second = await issuer.makeKey("b");
    issuer.publish([first.jwk, second.jwk]);
    const { verify } = open();
    const anonymous = { kid: undefined };
    for (const key of [first, second]) {
      expect(await verify(await issuer.sign({}, anonymous, key))).toMatchObject({
        status: "authenticated",
      });
    }
    const expired = await issuer.sign({ exp: seconds() - 60 }, anonymous, second);
    expect(await verify(expired)).toMatchObject({ status: "rejected" });
    const third = await issuer.makeKey("c");
    const late = await issuer.sign({ exp: seconds() + day }, anonymous, third);
    expect(await verify(late)).toMatchObject({ status: "invalid" });
    issuer.publish([first.jwk, second.jwk, third.jwk]);
    now += 30_000;
    expect(await verify(late)).toMatchObject({ status: "authenticated" });
  });

  test.each([{}, { kid: undefined }])("that are listed twice count once (%j)", async (header) => {
    const key = await issuer.makeKey("twice");
    issuer.publish([key.jwk, { ...key.jwk, x5t: "renewed" }, key.jwk]);
    const { verify } = open();
    expect(await verify(await issuer.sign({}, header, key))).toMatchObject({
      status: "authenticated",
    });
    const forged = await issuer.sign({}, header, await issuer.makeKey("twice"));
    expect(await verify(forged)).toMatchObject({ status: "invalid" });
  });

  test("that were withdrawn invalidate their tokens within ten minutes without blocking requests", async () => {
    const { verify, changes, failures } = open();
    const token = await issuer.sign({ exp: seconds() + day });
    expect(await verify(token)).toMatchObject({ status: "authenticated" });
    await issuer.rotate("second", { keepsOld: false });
    now += 600_000;
    await issuer.stop();
    expect(await verify(token)).toMatchObject({ status: "authenticated" });
    await _until(() => failures.length > 0);
    issuer.comeBack();
    now += 1000;
    await verify(token);
    await _until(() => changes() === 1);
    expect(await verify(token)).toMatchObject({ status: "invalid" });
  });

  test("stay when the issuer returns an empty list", async () => {
    const { verify, failures } = open();
    await verify(await issuer.sign());
    issuer.publish([]);
    now += 600_000;
    const token = await issuer.sign({ exp: seconds() + day });
    expect(await verify(token)).toMatchObject({ status: "authenticated" });
    await _until(() => failures.length > 0);
    expect(await verify(token)).toMatchObject({ status: "authenticated" });
  });
});

describe("while the issuer is unavailable", () => {
  test("tokens with cached keys are verified", async () => {
    const { verify, failures } = open();
    await verify(await issuer.sign());
    await issuer.stop();
    now += day;
    const exp = seconds() + 300;
    expect(await verify(await issuer.sign({ exp }))).toMatchObject({ status: "authenticated" });
    await _until(() => failures.length > 0);
    expect(await verify(await issuer.sign({ exp }))).toMatchObject({ status: "authenticated" });
  });

  test("a token with an unknown key is unverifiable, and is verified when the issuer is back", async () => {
    await issuer.stop();
    const { verify, failures } = open();
    const token = await issuer.sign();
    expect(await verify(token)).toEqual({ status: "unavailable" });
    expect(await verify(token)).toEqual({ status: "unavailable" });
    expect(failures.length).toBe(1);
    issuer.comeBack();
    now += 1000;
    expect(await verify(token)).toMatchObject({ status: "authenticated" });
  });

  test("a token with a new key is unverifiable, not invalid", async () => {
    const { verify } = open();
    await verify(await issuer.sign());
    await issuer.rotate("second");
    await issuer.stop();
    now += 30_000;
    expect(await verify(await issuer.sign())).toEqual({ status: "unavailable" });
    issuer.comeBack();
    now += 1000;
    expect(await verify(await issuer.sign())).toMatchObject({ status: "authenticated" });
  });
});

test("a verified token is cached until it expires", async () => {
  const { verify } = open();
  let verified = 0;
  const log = pino({ level: "silent" });
  const keys = await openKeyTable({ read: async () => [], onChange: () => {}, log });
  const authenticator = createAuthenticator({
    keys,
    uses: createKeyUses(async () => {}),
    mayBeUnauthenticated: true,
    verifyToken(token) {
      verified += 1;
      return verify(token);
    },
  });
  const header = `Bearer ${await issuer.sign({ exp: seconds() + 300 })}`;
  const first = authenticator.identify(header, false);
  expect(first).toBeInstanceOf(Promise);
  expect(await first).toMatchObject({ status: "authenticated", principal: { id: "alice" } });
  expect(authenticator.identify(header, false)).toMatchObject({ principal: { id: "alice" } });
  const short = `Bearer ${await issuer.sign({ exp: seconds() - 4 })}`;
  expect(await authenticator.identify(short, false)).toMatchObject({ status: "authenticated" });
  expect(verified).toBe(2);
  now += 2000;
  await _until(() => authenticator.identify(short, false) instanceof Promise);
  expect(await authenticator.identify(short, false)).toMatchObject({ status: "rejected" });
  await keys.close();
});
