import { limits } from "@toril/contract/job";
import { traceFields } from "@toril/contract/trace/settings";
import { z } from "zod";
import {
  flag,
  logLevelField,
  milliseconds,
  port,
  storeFields,
  wholeNumber,
} from "@toril/contract/config";
import { secretKeysField } from "@toril/contract/secret/secret-keys";
import { logShipFields } from "@toril/contract/log-config";
import { trustedProxiesField } from "./auth/client-address.ts";
import { oidcFields } from "./auth/oidc/config.ts";

/** The producer's settings; main.ts reads them from the environment once. */
export const Config = z.object({
  ...storeFields,
  HOST: z.string().default("127.0.0.1"),
  PORT: port().default(3000),
  /** Serves everybody as long as there is no key, although HOST is no loopback address. */
  ALLOW_OPEN: flag.default(false),
  /** Wrong keys from one address in a minute; then it is not listened to until that minute is over. */
  WRONG_KEYS_PER_MINUTE: wholeNumber(1, 1_000_000).default(100),
  /** Whose word on X-Forwarded-For is taken. */
  TRUSTED_PROXIES: trustedProxiesField,
  /** Serves the metrics without a key: for a port that is not published. */
  METRICS_PORT: port().optional(),
  ...oidcFields,
  LOG_LEVEL: logLevelField,
  /** What the secret fields of jobs are encrypted with; without it, jobs that carry one are refused. */
  SECRET_KEYS: secretKeysField.optional(),
  ...logShipFields,
  ...traceFields,
  /** The deadline of an answer. */
  REQUEST_TIMEOUT_MS: milliseconds(100).default(5000),
  BULK_MAX_ENTRIES: wholeNumber(1, 100_000).default(10_000),
  /** What the bodies of all requests may hold together while they are read. */
  MAX_BODY_BYTES: wholeNumber(limits.bulkBodyBytes, 10_000_000_000).default(128_000_000),
  /** How many jobs may be recorded while Redis is away. */
  MAX_UNPLACED_JOBS: wholeNumber(0, 100_000_000).default(100_000),
  /** How long a stop waits for requests that are being answered. */
  DRAIN_MS: milliseconds(0).default(10_000),
});
export type Config = z.infer<typeof Config>;
