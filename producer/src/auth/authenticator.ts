import { timingSafeEqual } from "node:crypto";
import type { KeyRow } from "@toril/contract/engine/api-keys/key-ledger";
import { hashKey, keyIdIn } from "@toril/contract/engine/api-keys/key-text";
import { credentialIn } from "./credential.ts";
import type { KeyTable } from "./key-table.ts";
import type { KeyUse, KeyUses } from "./key-uses.ts";
import { everybody, type Principal } from "./principal.ts";

export type Identity =
  | { status: "known"; principal: Principal }
  | { status: "missing" }
  /** Nobody's: it may have been guessed. */
  | { status: "wrong"; detail: string }
  /** It was good once. */
  | { status: "ended"; detail: string }
  /** There are no keys yet, and without any it does not serve. */
  | { status: "unmade" }
  /** The keys cannot be read. */
  | { status: "unknowable" };

type Recognised =
  /** Until when, in milliseconds since 1970. */
  | { status: "known"; principal: Principal; validUntil: number }
  | (Identity & { status: "wrong" | "ended" });

/** Says whose a token is that is no key. */
export type VerifyToken = (
  token: string,
) => Promise<Recognised | (Identity & { status: "unknowable" })>;

export interface AuthenticatorDeps {
  keys: KeyTable;
  uses: KeyUses;
  /** Whether everybody may call as long as there is no key. */
  mayBeOpen: boolean;
  verifyToken?: VerifyToken | undefined;
}

export interface Authenticator {
  /** At once for a header that was seen before. */
  identify(header: string | null, isPage: boolean): Identity | Promise<Identity>;
  /** Keys have changed: what is known of headers may be wrong. */
  forget(): void;
}

interface Session {
  identity: Identity;
  validUntil: number;
  use: KeyUse;
}

/** Only headers that were right are kept, so that whoever guesses fills nothing. */
const maxSessions = 10_000;
const open: Identity = { status: "known", principal: everybody };
const missing: Identity = { status: "missing" };
const unmade: Identity = { status: "unmade" };
const unknowable: Identity = { status: "unknowable" };
const wrong = { status: "wrong", detail: "Nobody has this key." } as const;

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { keys, uses, mayBeOpen, verifyToken } = deps;
  const sessions = new Map<string, Session>();
  /** Sent although the service is open, and nobody's. */
  const ignored = new Set<string>();

  /** What stands for whoever has no credential that is known. */
  function otherwise(refusal: Identity): Identity {
    if (verifyToken !== undefined) return refusal;
    if (keys.state === "unread") return unknowable;
    if (keys.state === "filled") return refusal;
    return mayBeOpen ? open : unmade;
  }

  async function identifyUnseen(seen: string, header: string, isPage: boolean): Promise<Identity> {
    if (ignored.has(seen) && otherwise(wrong) === open) return open;
    const text = credentialIn(header, isPage);
    if (text === undefined) return otherwise(missing);
    const id = keyIdIn(text);
    if (id === undefined) {
      if (verifyToken === undefined) return otherwise(wrong);
      const verified = await verifyToken(text);
      return verified.status === "known" ? begin(seen, verified) : verified;
    }
    const hash = await hashKey(text);
    let found = recognise(id, hash);
    if (found.status === "wrong") {
      // It may have been made a moment ago, elsewhere.
      await keys.refresh();
      found = recognise(id, hash);
    }
    if (found.status === "known") return begin(seen, found, uses.of(id));
    if (found.status !== "wrong") return found;
    if (keys.isStale) return unknowable;
    const identity = otherwise(wrong);
    if (identity === open) remember(ignored, seen);
    return identity;
  }

  function recognise(id: string, hash: string): Recognised {
    const row = keys.find(id);
    if (row === undefined) return wrong;
    const isCurrent = isSame(row.hash, hash);
    const isPrevious = row.previousHash !== null && isSame(row.previousHash, hash);
    if (!isCurrent && !isPrevious) return wrong;
    if (row.revokedAt !== null) return ended("The key was revoked.");
    const expiresAt = row.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
    const replacedAt = isCurrent ? Number.POSITIVE_INFINITY : (row.previousUntil?.getTime() ?? 0);
    const validUntil = Math.min(expiresAt, replacedAt);
    if (validUntil > Date.now()) {
      return { status: "known", principal: toPrincipal(row), validUntil };
    }
    return ended(
      expiresAt < replacedAt ? "The key has expired." : "The key has another secret now.",
    );
  }

  function begin(
    seen: string,
    { principal, validUntil }: { principal: Principal; validUntil: number },
    use: KeyUse = { usedAt: 0 },
  ): Identity {
    const identity: Identity = { status: "known", principal };
    if (sessions.size === maxSessions) sessions.clear();
    sessions.set(seen, { identity, validUntil, use });
    use.usedAt = Date.now();
    return identity;
  }

  return {
    identify(header, isPage) {
      if (header === null) return otherwise(missing);
      // What a page takes, the API need not.
      const seen = isPage ? `page: ${header}` : header;
      const session = sessions.get(seen);
      if (session === undefined) return identifyUnseen(seen, header, isPage);
      const now = Date.now();
      if (now >= session.validUntil) {
        sessions.delete(seen);
        return identifyUnseen(seen, header, isPage);
      }
      session.use.usedAt = now;
      return session.identity;
    },
    forget() {
      sessions.clear();
      ignored.clear();
    },
  };
}

function ended(detail: string): Recognised {
  return { status: "ended", detail };
}

function toPrincipal({ id, name, tenant, scopes, queues, types, quotas }: KeyRow): Principal {
  return {
    id,
    name,
    kind: "key",
    tenant,
    scopes: new Set(scopes),
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
