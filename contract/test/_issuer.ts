import {
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from "jose";

type Header = { [Name in keyof JWTHeaderParameters]?: JWTHeaderParameters[Name] | undefined };
type Claims = { [Name in keyof JWTPayload]: JWTPayload[Name] | undefined };

import {
  _createAuthorizationServer,
  type _AuthorizationServerSettings,
} from "./_authorization-server.ts";

export type _Issuer = Awaited<ReturnType<typeof _openIssuer>>;

/** Starts an OIDC issuer with discovery document and keys; it signs tokens with arbitrary claims. */
export async function _openIssuer(audience: string) {
  let current = await makeKey("first");
  let published: JWK[] = [current.jwk];
  const requested: string[] = [];
  let port = 0;
  let tokenStatus: number | undefined;
  let people: ReturnType<typeof _createAuthorizationServer> | undefined;
  let server = open();
  const url = `http://127.0.0.1:${port}/realm`;

  function open() {
    const opened = Bun.serve({
      hostname: "127.0.0.1",
      port,
      async fetch(request) {
        const { pathname } = new URL(request.url);
        requested.push(pathname);
        if (pathname === "/realm/.well-known/openid-configuration") {
          return Response.json({
            issuer: url,
            jwks_uri: new URL("/keys", request.url).href,
            ...people?.metadata,
          });
        }
        if (pathname === "/keys") return Response.json({ keys: published });
        if (tokenStatus !== undefined && pathname === "/realm/token") {
          return new Response("<h1>Not now</h1>", { status: tokenStatus });
        }
        return (await people?.respond(request)) ?? new Response(null, { status: 404 });
      },
    });
    port = opened.port ?? 0;
    return opened;
  }

  async function makeKey(kid: string, alg = "RS256") {
    const pair = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await exportJWK(pair.publicKey)), kid, alg, use: "sig" };
    return { ...pair, kid, alg, jwk };
  }

  return {
    url,
    keysUrl: new URL("/keys", url).href,
    /** Returns the paths requested since the last call. */
    requested() {
      return requested.splice(0);
    },
    /** Signs a token that is valid except for the given claims, header and key. */
    async sign(claims: Claims = {}, header: Header = {}, key = current) {
      const now = Math.floor(Date.now() / 1000);
      return new SignJWT({
        iss: url,
        aud: audience,
        sub: "alice",
        exp: now + 300,
        scope: "jobs:write jobs:read",
        ...claims,
      } as JWTPayload)
        .setProtectedHeader({
          alg: key.alg,
          kid: key.kid,
          typ: "at+jwt",
          ...header,
        } as JWTHeaderParameters)
        .sign(key.privateKey);
    },
    /** Signs with the public key as HMAC secret (algorithm confusion). */
    async signWithPublicKey() {
      const secret = new TextEncoder().encode(await exportSPKI(current.publicKey));
      return new SignJWT({ iss: url, aud: audience, sub: "alice", scope: "jobs:write" })
        .setExpirationTime("5m")
        .setProtectedHeader({ alg: "HS256", kid: current.kid })
        .sign(secret);
    },
    /** From now on people can sign in, too, with the access tokens of `signAccessToken`. */
    openForPeople(
      settings: Omit<_AuthorizationServerSettings, "url" | "signIdToken">,
    ): ReturnType<typeof _createAuthorizationServer> {
      const signIdToken = (claims: Claims) =>
        this.sign({ iat: Math.floor(Date.now() / 1000), ...claims }, { typ: "JWT" });
      return (people = _createAuthorizationServer({ ...settings, url, signIdToken }));
    },
    makeKey,
    /** Signs with a new key from now on. */
    async rotate(kid: string, { keepsOld = true, alg = "RS256" } = {}) {
      current = await makeKey(kid, alg);
      published = keepsOld ? [...published, current.jwk] : [current.jwk];
    },
    publish(keys: JWK[]) {
      published = keys;
    },
    /** Answers requests for tokens with this status; undefined: as before. */
    refuseTokens(status: number | undefined) {
      tokenStatus = status;
    },
    stop: () => server.stop(true),
    comeBack() {
      server = open();
    },
    close: () => server.stop(true),
  };
}
