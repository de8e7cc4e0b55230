import type { Logger } from "pino";
import { noteKeyUses, readChangedKeys } from "@toril/contract/engine/api-keys/key-ledger";
import { connectLedger } from "../stores/postgres.ts";
import type { RequestContext } from "../http/request-context.ts";
import { type Authorize, createAuthorize } from "./access.ts";
import { type Authenticator, createAuthenticator, type Identity } from "./authenticator.ts";
import { createFailedLoginPenalty, type FailedLoginPenalty } from "./failed-login-penalty.ts";
import { hasSameRestrictions } from "./principal.ts";
import { openKeyTable } from "./key-table.ts";
import { createKeyUses } from "./key-uses.ts";
import { isLoopback } from "./client-address.ts";
import { type OidcSettings, openOidc } from "./oidc/oidc.ts";

export interface Auth {
  authorize: Authorize;
  penalty: FailedLoginPenalty;
  /** Identifies the caller by an Authorization header. */
  identify(authorization: string): Identity | Promise<Identity>;
  /** Whether a request that was authorized before would still be, with the same restrictions. */
  isAuthorized(context: RequestContext): Promise<boolean>;
  /** Resolves when all key changes made before the call are loaded. */
  refreshKeys(): Promise<void>;
  close(): Promise<void>;
}

export interface AuthSettings {
  log: Logger;
  databaseUrl: string;
  /** The address the server listens on. */
  host: string;
  allowOpen: boolean;
  wrongKeysPerMinute: number;
  /** Accepts access tokens of this issuer besides API keys; when set, the service always requires authentication. */
  oidc: OidcSettings | undefined;
}

/** Short, so that reads from a Postgres that hangs are retried soon. */
const readMs = 1500;
const flushEveryMs = 60_000;

export async function openAuth(settings: AuthSettings): Promise<Auth> {
  const { log, databaseUrl, host, allowOpen, oidc } = settings;
  // A separate connection: requests that occupy the pool must not keep a revoked key valid.
  const ledger = connectLedger(databaseUrl, readMs, { connections: 1 });
  let authenticator: Authenticator | undefined;
  const onChange = () => authenticator?.clearCache();
  const verifyToken = oidc && openOidc(oidc, { log, onChange });
  const keys = await openKeyTable({
    read: (revision) => ledger.run((sql) => readChangedKeys(sql, revision)),
    onChange,
    log,
  });
  const uses = createKeyUses((pending) => ledger.run((sql) => noteKeyUses(sql, pending)));
  const mayBeOpen = allowOpen || isLoopback(host);
  const created = createAuthenticator({
    keys,
    uses,
    mayBeUnauthenticated: mayBeOpen,
    verifyToken,
  });
  authenticator = created;
  const penalty = createFailedLoginPenalty(settings.wrongKeysPerMinute);
  const flushUses = () =>
    uses.flush().catch((error: unknown) => {
      log.debug({ err: error }, "failed to record the last use of API keys; retrying later");
    });
  const flushing = setInterval(() => void flushUses(), flushEveryMs);

  if (keys.state === "empty" && verifyToken === undefined) {
    log[isLoopback(host) ? "info" : "warn"](
      { host },
      mayBeOpen
        ? "no API key exists: every client that can reach this address has full access"
        : "no API key exists: all requests are rejected until the first key is created",
    );
  }
  const authorize = createAuthorize({ authenticator: created, penalty });
  return {
    authorize,
    penalty,
    identify: (authorization) => created.identify(authorization, false),
    async isAuthorized(context) {
      const { accessRule, principal } = context;
      if (accessRule === undefined || (await authorize(context, accessRule)) !== undefined)
        return false;
      return hasSameRestrictions(principal, context.principal);
    },
    refreshKeys: () => keys.refresh(),
    async close() {
      clearInterval(flushing);
      await keys.close();
      await flushUses();
      await ledger.close();
    },
  };
}
