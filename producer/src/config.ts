import { limits } from "@toril/contract/api/limits";
import { traceFields } from "@toril/contract/engine/tracing/settings";
import { z } from "zod";
import {
  flag,
  milliseconds,
  port,
  storeFields,
  wholeNumber,
} from "@toril/contract/engine/config/config";
import { secretKeysField } from "@toril/contract/engine/secrets/secret-keys";
import { logFields } from "@toril/contract/engine/logging/log-config";
import { trustedProxiesField } from "./auth/client-address.ts";
import { oidcFields } from "./auth/oidc/config.ts";
import { signInFields } from "./auth/sign-in/config.ts";
import { prometheusFields } from "./overview/history/config.ts";

/** The producer's settings, which main.ts reads from the environment once. */
export const Config = z.object({
  ...storeFields,
  HOST: z.string().default("127.0.0.1").describe("address to listen on; in a container `0.0.0.0`"),
  PORT: port().default(3000).describe("port of the API"),
  ALLOW_OPEN: flag
    .default(false)
    .describe(
      "accepts requests without a key, while no key exists, also if `HOST` is not a loopback address",
    ),
  WRONG_KEYS_PER_MINUTE: wholeNumber(1, 1_000_000)
    .default(100)
    .describe(
      "maximum number of invalid keys per client address and minute; beyond it, 429 for the rest of the minute",
    ),
  TRUSTED_PROXIES: trustedProxiesField.describe(
    "addresses and networks of proxies whose `X-Forwarded-For` is trusted: `10.0.0.0/8, ::1`",
  ),
  METRICS_PORT: port()
    .optional()
    .describe(
      "port that serves `/metrics` without a key, and for a consumer also `/livez` and `/readyz`; do not expose it publicly. 0 turns it off for a consumer",
    ),
  ...oidcFields,
  ...signInFields,
  ...prometheusFields,
  ...logFields,
  REQUEST_TIMEOUT_MS: milliseconds(100).default(5000).describe("deadline of a response"),
  BULK_MAX_ENTRIES: wholeNumber(1, 100_000)
    .default(10_000)
    .describe("maximum number of jobs in a bulk request"),
  MAX_BODY_BYTES: wholeNumber(limits.bulkBodyBytes, 10_000_000_000)
    .default(128_000_000)
    .describe(
      "memory limit for request bodies over 64 kB that are being read, together; one tenant gets half of it. Beyond it, 503",
    ),
  MAX_LISTENERS: wholeNumber(1, 100_000)
    .default(2000)
    .describe(
      "maximum number of open event streams and requests that wait for a job, together; one tenant gets half of it, one key a quarter. Beyond it, requests do not wait, and streams get 503 or 429",
    ),
  MAX_SCHEDULES: wholeNumber(1, 1_000_000)
    .default(10_000)
    .describe("maximum number of schedules of a tenant; `SCHEDULES_FILE` may contain more"),
  MAX_JOB_TYPES: wholeNumber(0, 10_000)
    .default(200)
    .describe("maximum number of job types that a tenant may register; beyond it, 409"),
  MAX_WEBHOOKS: wholeNumber(1, 10_000)
    .default(100)
    .describe("maximum number of webhooks of a tenant; beyond it, 409"),
  MAX_OPERATIONS: wholeNumber(1, 10_000)
    .default(100)
    .describe("maximum number of open operations of a tenant; beyond it, 409"),
  MAX_UNDISPATCHED_JOBS: wholeNumber(0, 100_000_000)
    .default(100_000)
    .describe(
      "maximum number of jobs that are recorded while Redis is unavailable; beyond it, 503",
    ),
  DRAIN_MS: milliseconds(0)
    .default(10_000)
    .describe("how long a shutdown waits for requests and jobs in progress"),
  SECRET_KEYS: secretKeysField.optional(),
  ...traceFields,
});
export type Config = z.infer<typeof Config>;
