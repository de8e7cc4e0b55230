import {
  ConfigError,
  flag,
  loadEnv,
  milliseconds,
  port,
  storeFields,
  wholeNumber,
  type Env,
} from "@toril/contract/engine/config/config";
import { logFields, logSettings } from "@toril/contract/engine/logging/log-config";
import type { KeyRate } from "@toril/contract/api/job-type";
import { findJobType, jobTypeNames, queueNames } from "@toril/contract/api/job-types/index";
import { redisServers } from "@toril/contract/engine/config/redis-config";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { secretKeysField } from "@toril/contract/engine/secrets/secret-keys";
import { traceFields, traceSettings } from "@toril/contract/engine/tracing/settings";
import { z } from "zod";
import type { ScheduleFile } from "./scheduler/apply-file.ts";
import { parseScheduleFile } from "./scheduler/read-file.ts";
import { retentionFields, toRetentionSettings } from "./maintenance/config.ts";

const limitedTypes: string[] = jobTypeNames.filter(
  (type) => findJobType(type)?.rateLimit !== undefined,
);
const keyRatePattern = /^([^=]+)=(?:([0-9]{1,7})\/([0-9]{1,8})|off)$/;
const keyRateError = `must be a list of <type>=<max>/<ms> or <type>=off, with a type that has a limit per key: ${limitedTypes.join(", ")}`;

const keyRates = z.string().transform((text, context) => {
  const rates = new Map<string, KeyRate | null>();
  for (const entry of text.split(",")) {
    const [, type = "", max, ms] = keyRatePattern.exec(entry.trim()) ?? [];
    if (!limitedTypes.includes(type) || Number(max) === 0 || Number(ms) === 0) {
      context.addIssue(keyRateError);
      return z.NEVER;
    }
    rates.set(type, max === undefined ? null : { max: Number(max), durationMs: Number(ms) });
  }
  return rates;
});

/** The consumer's environment variables. */
export const Variables = z
  .object({
    ...storeFields,
    BULL_QUEUE_NAME: z
      .string()
      .transform((text) => [...new Set(text.split(",").map((name) => name.trim()))])
      .refine((names) => names.every((name) => queueNames.includes(name)), {
        error: `must be a list of ${queueNames.join(", ")}`,
      })
      .default(queueNames)
      .describe("which queues it serves, as a list"),
    WORKER_CONCURRENCY: wholeNumber(1, 10_000).default(100).describe("jobs at once, per queue"),
    WORKER_BATCH_SIZE: wholeNumber(1, 1000)
      .default(100)
      .describe("how many results or upserts share a statement"),
    WORKER_FLUSH_MS: wholeNumber(0, 1000).default(5).describe("how long an unfilled batch gathers"),
    WORKER_SANDBOX_THREADS: wholeNumber(1, 256)
      .optional()
      .describe("how many heavy jobs are computed at once; by default one core is left free"),
    WORKER_RATE_LIMIT_MAX: wholeNumber(1, 1_000_000)
      .optional()
      .describe("so many jobs in `WORKER_RATE_LIMIT_DURATION_MS`, per queue"),
    WORKER_RATE_LIMIT_DURATION_MS: milliseconds(1)
      .optional()
      .describe("the period of `WORKER_RATE_LIMIT_MAX`"),
    WORKER_KEY_RATE_LIMITS: keyRates
      .default(new Map())
      .describe(
        "other limits per key than those of the job types, as a list: `feed.fetch=100/60000` (jobs in ms), `feed.fetch=off`",
      ),
    WORKER_LOCK_DURATION_MS: milliseconds(1000)
      .default(10_000)
      .describe("how long a job belongs to a consumer that does not say that it lives"),
    WORKER_STALLED_INTERVAL_MS: milliseconds(500)
      .default(5000)
      .describe("how often jobs of dead consumers are looked for"),
    WORKER_MAX_STALLED_COUNT: wholeNumber(0, 1000)
      .default(10)
      .describe("how often a job may lose its consumer before it is dead"),
    RECONCILE_INTERVAL_MS: milliseconds(100)
      .default(30_000)
      .describe("how often the ledger is compared with Redis"),
    RECONCILE_GRACE_MS: milliseconds(0)
      .default(5000)
      .describe("from which age on a pending job is looked for in Redis"),
    ...retentionFields,
    SCHEDULES_FILE: z
      .string()
      .optional()
      .describe(
        "a file of schedules, YAML or JSON: names with what `PUT /v1/schedules/{name}` takes; read at the start and on SIGHUP",
      ),
    SECRET_KEYS: secretKeysField
      .optional()
      .describe(
        "what encrypts the secret fields of jobs: `2026a:<32 bytes in base64>,2025b:...`, the first encrypts, all decrypt",
      ),
    ...logFields,
    ...traceFields,
    METRICS_PORT: port()
      .default(0)
      .describe("the port of `/metrics`, `/livez` and `/readyz`; 0 for none"),
    HOST: z.string().default("127.0.0.1"),
    DRAIN_MS: milliseconds(0).default(25_000),
    FEED_ALLOW_PRIVATE_ADDRESSES: flag.default(false).describe("for feeds inside your network"),
  })
  .refine(
    (given) =>
      (given.WORKER_RATE_LIMIT_MAX === undefined) ===
      (given.WORKER_RATE_LIMIT_DURATION_MS === undefined),
    {
      path: ["WORKER_RATE_LIMIT_MAX"],
      error: "needs WORKER_RATE_LIMIT_DURATION_MS beside it, and the other way round",
    },
  );

export type Config = ReturnType<typeof loadConfig>;

/**
 * Builds the configuration from the environment.
 * @throws ConfigError that names the invalid variable
 */
export function loadConfig(env: Env, readFile: (path: string) => string) {
  const given = loadEnv(Variables, env, readFile);
  const { WORKER_RATE_LIMIT_MAX: max, WORKER_RATE_LIMIT_DURATION_MS: duration } = given;
  return {
    redis: redisServers(given),
    databaseUrl: given.DATABASE_URL,
    prefix: given.BULL_PREFIX,
    worker: {
      queues: given.BULL_QUEUE_NAME,
      concurrency: given.WORKER_CONCURRENCY,
      limiter: max === undefined || duration === undefined ? undefined : { max, duration },
      /** Rate limit per key, by job type; null turns the limit off. */
      keyRates: given.WORKER_KEY_RATE_LIMITS,
      lockDurationMs: given.WORKER_LOCK_DURATION_MS,
      stalledIntervalMs: given.WORKER_STALLED_INTERVAL_MS,
      maxStalledCount: given.WORKER_MAX_STALLED_COUNT,
    },
    batch: { maxEntries: given.WORKER_BATCH_SIZE, flushMs: given.WORKER_FLUSH_MS },
    /** Defaults to one thread less than there are CPU cores. */
    sandboxThreads: given.WORKER_SANDBOX_THREADS,
    reconcile: { intervalMs: given.RECONCILE_INTERVAL_MS, graceMs: given.RECONCILE_GRACE_MS },
    retain: toRetentionSettings(given),
    schedules: readSchedules(given, readFile),
    /** Keys that encrypt and decrypt the secret fields of jobs. */
    secretKeys: given.SECRET_KEYS,
    log: logSettings(given),
    /** Undefined when tracing is off. */
    trace: traceSettings(given, "toril-consumer"),
    /** 0 turns the status server off. */
    metricsPort: given.METRICS_PORT,
    host: given.HOST,
    drainMs: given.DRAIN_MS,
    isPrivateFeedAllowed: given.FEED_ALLOW_PRIVATE_ADDRESSES,
  };
}

function readSchedules(
  { SCHEDULES_FILE: path, SECRET_KEYS: keys }: z.output<typeof Variables>,
  readFile: (path: string) => string,
): ScheduleFile | undefined {
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`SCHEDULES_FILE cannot be read: ${reason}`);
  }
  return parseScheduleFile(path, text, keys && createKeyRing(keys));
}
