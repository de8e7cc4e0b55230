import { limits } from "@toril/contract/api/job";
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

/** The producer's settings, which main.ts reads from the environment once. */
export const Config = z.object({
  ...storeFields,
  HOST: z
    .string()
    .default("127.0.0.1")
    .describe("the address it listens on; in a container `0.0.0.0`"),
  PORT: port().default(3000).describe("the port of the API"),
  ALLOW_OPEN: flag
    .default(false)
    .describe("serve everybody as long as there is no key, although `HOST` is no loopback address"),
  WRONG_KEYS_PER_MINUTE: wholeNumber(1, 1_000_000)
    .default(100)
    .describe(
      "how many wrong keys an address may send; then it gets 429 until that minute is over",
    ),
  TRUSTED_PROXIES: trustedProxiesField.describe(
    "addresses and networks whose `X-Forwarded-For` is believed: `10.0.0.0/8, ::1`",
  ),
  METRICS_PORT: port()
    .optional()
    .describe(
      "serves `/metrics` without a key, and of a consumer `/livez` and `/readyz`: do not publish it",
    ),
  ...oidcFields,
  ...logFields,
  REQUEST_TIMEOUT_MS: milliseconds(100).default(5000).describe("the deadline of an answer"),
  BULK_MAX_ENTRIES: wholeNumber(1, 100_000)
    .default(10_000)
    .describe("how many jobs one bulk request may carry"),
  MAX_BODY_BYTES: wholeNumber(limits.bulkBodyBytes, 10_000_000_000)
    .default(128_000_000)
    .describe(
      "what bodies over 64 kB may hold together while they are read, those of one tenant half of it; then 503",
    ),
  MAX_LISTENERS: wholeNumber(1, 100_000)
    .default(2000)
    .describe(
      "how many requests may wait for their job and streams of events may be open together, those of one tenant half of it, of one key a quarter; further requests do not wait, and further streams get 503 or 429",
    ),
  MAX_SCHEDULES: wholeNumber(1, 1_000_000)
    .default(10_000)
    .describe("how many schedules a tenant may have; a file of schedules may hold more"),
  MAX_OPERATIONS: wholeNumber(1, 10_000)
    .default(100)
    .describe("how many operations of a tenant may be open at once; then 409"),
  MAX_UNDISPATCHED_JOBS: wholeNumber(0, 100_000_000)
    .default(100_000)
    .describe("how many jobs may be recorded while Redis is away; then 503"),
  DRAIN_MS: milliseconds(0).default(10_000).describe("how long a stop waits for what is under way"),
  SECRET_KEYS: secretKeysField
    .optional()
    .describe(
      "what encrypts the secret fields of jobs: `2026a:<32 bytes in base64>,2025b:...`, the first encrypts, all decrypt",
    ),
  ...traceFields,
});
export type Config = z.infer<typeof Config>;
