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
  /** The issuer has other keys: what the old ones have signed is to be verified again. */
  onChange(): void;
}

/** Accepts the access tokens of one issuer. It need not be there: keys that are known outlive its absence. */
export function openOidc(settings: OidcSettings, { log, onChange }: OidcDeps): VerifyToken {
  const { issuer } = settings;
  const keys = createKeySet({
    load: () => fetchKeys(settings, 3000),
    maxAgeMs: 600_000,
    cooldownMs: 30_000,
    retryMs: 1000,
    now: () => performance.now(),
    onChange() {
      log.info({ issuer }, "the issuer has other keys than before");
      onChange();
    },
    onFailure: (error) => log.warn({ err: error, issuer }, "the issuer's keys cannot be loaded"),
  });
  keys.warmUp();
  return createVerifyToken({ ...settings, keys, now: Date.now });
}
