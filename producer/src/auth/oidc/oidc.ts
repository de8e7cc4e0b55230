import type { Logger } from "pino";
import type { VerifyToken } from "../authenticator.ts";
import type { ClaimNames } from "./claims.ts";
import { fetchKeys, type KeySource } from "./fetch-keys.ts";
import { createKeySet } from "./key-set.ts";
import { createVerifyToken } from "./verify-token.ts";

export interface OidcSettings extends KeySource {
  audiences: readonly string[];
  claims: ClaimNames;
}

export interface OidcDeps {
  log: Logger;
  /** Called when the issuer's keys have changed: tokens verified with the old keys must be verified again. */
  onChange(): void;
}

/** Accepts access tokens of one OIDC issuer. The issuer may be unavailable: cached keys stay in use. */
export function openOidc(settings: OidcSettings, { log, onChange }: OidcDeps): VerifyToken {
  const { issuer } = settings;
  const keys = createKeySet({
    load: () => fetchKeys(settings, 3000),
    maxAgeMs: 600_000,
    cooldownMs: 30_000,
    retryMs: 1000,
    now: () => performance.now(),
    onChange() {
      log.info({ issuer }, "the keys of the issuer have changed");
      onChange();
    },
    onFailure: (error) => log.warn({ err: error, issuer }, "failed to load the keys of the issuer"),
  });
  keys.warmUp();
  return createVerifyToken({ ...settings, keys, now: Date.now });
}
