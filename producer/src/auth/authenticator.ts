import { timingSafeEqual } from "node:crypto";
import { expandScopes } from "@toril/contract/api/access/scope";
import type { KeyRow } from "@toril/contract/engine/api-keys/key-ledger";
import { hashKey, keyIdIn } from "@toril/contract/engine/api-keys/key-text";
import type { KeyTable } from "./key-table.ts";
import type { KeyUse, KeyUses } from "./key-uses.ts";
import { openPrincipal, type Principal } from "./principal.ts";

export type Identity =
  | { status: "authenticated"; principal: Principal }
  | { status: "missing" }
  /** Not issued by this service or its OIDC issuer; it counts as a failed login. */
  | { status: "invalid"; detail: string }
  /** A genuine credential that is expired, revoked or not valid here. */
  | { status: "rejected"; detail: string }
  /** No key exists yet, and the service may not run without authentication. */
  | { status: "no-keys" }
  /** The keys cannot be read. */
  | { status: "unavailable" };

type VerifiedCredential =
  /** Expiry in milliseconds since 1970. */
  | { status: "authenticated"; principal: Principal; validUntil: number }
  | (Identity & { status: "invalid" | "rejected" });

/** Verifies an access token, that is any bearer token that is not an API key. */
export type VerifyToken = (
  token: string,
) => Promise<VerifiedCredential | (Identity & { status: "unavailable" })>;

export interface AuthenticatorDeps {
  keys: KeyTable;
  uses: KeyUses;
  /** Whether unauthenticated access is permitted while no key exists. */
  mayBeUnauthenticated: boolean;
  verifyToken?: VerifyToken | undefined;
}

export interface Authenticator {
  /** Synchronous for a header that is in the cache. */
  identify(header: string | null, isPage: boolean): Identity | Promise<Identity>;
  /** Clears the cache after keys have changed. */
  clearCache(): void;
}

interface Session {
  identity: Identity;
  validUntil: number;
  use: KeyUse;
}

/** Only valid headers are cached, so that guessed keys cannot fill the cache. */
const maxSessions = 10_000;
const openIdentity: Identity = { status: "authenticated", principal: openPrincipal };
const missing: Identity = { status: "missing" };
const noKeys: Identity = { status: "no-keys" };
const unavailable: Identity = { status: "unavailable" };
const wrong = { status: "invalid", detail: "The API key does not exist." } as const;

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { keys, uses, mayBeUnauthenticated, verifyToken } = deps;
  const sessions = new Map<string, Session>();
  /** Headers with an unknown key that were sent while the service needs no authentication. */
  const unknownHeaders = new Set<string>();

  /** Returns the identity of a request without a valid credential. */
  function identifyWithoutCredential(refusal: Identity): Identity {
    if (verifyToken !== undefined) return refusal;
    if (keys.state === "unread") return unavailable;
    if (keys.state === "filled") return refusal;
    return mayBeUnauthenticated ? openIdentity : noKeys;
  }

  async function identifyUncached(
    cacheKey: string,
    header: string,
    isPage: boolean,
  ): Promise<Identity> {
    if (unknownHeaders.has(cacheKey) && identifyWithoutCredential(wrong) === openIdentity)
      return openIdentity;
    const text = parseCredential(header, isPage);
    if (text === undefined) return identifyWithoutCredential(missing);
    const id = keyIdIn(text);
    if (id === undefined) {
      if (verifyToken === undefined) return identifyWithoutCredential(wrong);
      const verified = await verifyToken(text);
      return verified.status === "authenticated" ? startSession(cacheKey, verified) : verified;
    }
    const hash = await hashKey(text);
    let found = verifyKey(id, hash);
    if (found.status === "invalid") {
      // Another producer may have created the key a moment ago.
      await keys.refresh();
      found = verifyKey(id, hash);
    }
    if (found.status === "authenticated") return startSession(cacheKey, found, uses.of(id));
    if (found.status !== "invalid") return found;
    if (keys.isStale) return unavailable;
    const identity = identifyWithoutCredential(wrong);
    if (identity === openIdentity) remember(unknownHeaders, cacheKey);
    return identity;
  }

  function verifyKey(id: string, hash: string): VerifiedCredential {
    const row = keys.find(id);
    if (row === undefined) return wrong;
    const isCurrent = isSame(row.hash, hash);
    const isPrevious = row.previousHash !== null && isSame(row.previousHash, hash);
    if (!isCurrent && !isPrevious) return wrong;
    if (row.revokedAt !== null) return rejected("The key was revoked.");
    const expiresAt = row.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
    const replacedAt = isCurrent ? Number.POSITIVE_INFINITY : (row.previousUntil?.getTime() ?? 0);
    const validUntil = Math.min(expiresAt, replacedAt);
    if (validUntil > Date.now()) {
      return { status: "authenticated", principal: toPrincipal(row), validUntil };
    }
    return rejected(expiresAt < replacedAt ? "The key has expired." : "The key has been rotated.");
  }

  function startSession(
    cacheKey: string,
    { principal, validUntil }: { principal: Principal; validUntil: number },
    use: KeyUse = { usedAt: 0 },
  ): Identity {
    const identity: Identity = { status: "authenticated", principal };
    if (sessions.size === maxSessions) sessions.clear();
    sessions.set(cacheKey, { identity, validUntil, use });
    use.usedAt = Date.now();
    return identity;
  }

  return {
    identify(header, isPage) {
      if (header === null) return identifyWithoutCredential(missing);
      // Pages also accept Basic authentication, which the API does not.
      const cacheKey = isPage ? `page: ${header}` : header;
      const session = sessions.get(cacheKey);
      if (session === undefined) return identifyUncached(cacheKey, header, isPage);
      const now = Date.now();
      if (now >= session.validUntil) {
        sessions.delete(cacheKey);
        return identifyUncached(cacheKey, header, isPage);
      }
      session.use.usedAt = now;
      return session.identity;
    },
    clearCache() {
      sessions.clear();
      unknownHeaders.clear();
    },
  };
}

function rejected(detail: string): VerifiedCredential {
  return { status: "rejected", detail };
}

function toPrincipal({ id, name, tenant, scopes, queues, types, quotas }: KeyRow): Principal {
  return {
    id,
    name,
    kind: "key",
    tenant,
    scopes: expandScopes(scopes),
    queues: queues && new Set(queues),
    types: types && new Set(types),
    quotas,
  };
}

function isSame(a: string, b: string) {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function remember(headers: Set<string>, header: string) {
  if (headers.size === maxSessions) headers.clear();
  headers.add(header);
}

const bearer = /^bearer +(\S+) *$/i;
const basic = /^basic +([A-Za-z0-9+/=]+) *$/i;

/**
 * Returns the key or token in an Authorization header; undefined if the header has no supported form.
 * @param isPage also accepts Basic authentication and takes the password, whatever the user name. Not for the API:
 * browsers send Basic credentials automatically, on behalf of any page (CSRF).
 */
function parseCredential(header: string, isPage: boolean): string | undefined {
  const token = bearer.exec(header)?.[1];
  if (token !== undefined || !isPage) return token;
  const encoded = basic.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const pair = Buffer.from(encoded, "base64").toString();
  return pair.slice(pair.indexOf(":") + 1);
}
