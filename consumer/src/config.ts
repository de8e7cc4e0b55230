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
import { logFields, toLogSettings } from "@toril/contract/engine/logging/log-config";
import type { KeyRate } from "@toril/contract/api/job-type";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { toRedisServers } from "@toril/contract/engine/config/redis-config";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { secretKeysField } from "@toril/contract/engine/secrets/secret-keys";
import { traceFields, toTraceSettings } from "@toril/contract/engine/tracing/settings";
import { z } from "zod";
import { type ScheduleFile, parseScheduleFile } from "./scheduler/schedule-file.ts";
import { toWebhookSettings, webhookFields } from "./webhooks/config.ts";
import { retentionFields, toRetentionSettings } from "./maintenance/config.ts";

const keyRatePattern = /^([^=]+)=(?:([0-9]{1,7})\/([0-9]{1,8})|off)$/;

function createKeyRates({ types }: JobTypeRegistry) {
  const limited = types
    .filter(({ rateLimit, worker }) => rateLimit !== undefined && worker === "handler")
    .map(({ type }) => type);
  const error = `must be a list of <type>=<max>/<ms> or <type>=off, with a type that has a handler and a limit per key: ${limited.join(", ")}`;
  return z.string().transform((text, context) => {
    const rates = new Map<string, KeyRate | null>();
    for (const entry of text.split(",")) {
      const [, type = "", max, ms] = keyRatePattern.exec(entry.trim()) ?? [];
      if (!limited.includes(type) || Number(max) === 0 || Number(ms) === 0) {
        context.addIssue(error);
        return z.NEVER;
      }
      rates.set(type, max === undefined ? null : { max: Number(max), durationMs: Number(ms) });
    }
    return rates;
  });
}

/** Creates the schema of the consumer's environment variables. */
export function createVariables(jobTypes: JobTypeRegistry) {
  const handlerQueues = jobTypes.getQueues("handler");
  return z
    .object({
      ...storeFields,
      BULL_QUEUE_NAME: z
        .string()
        .transform((text) => [...new Set(text.split(",").map((name) => name.trim()))])
        .refine((names) => names.every((name) => handlerQueues.includes(name)), {
          error: `must be a list of ${handlerQueues.join(", ")}`,
        })
        .default([...handlerQueues])
        .describe("list of queues to process, of job types with a handler"),
      WORKER_CONCURRENCY: wholeNumber(1, 10_000)
        .default(100)
        .describe("maximum number of concurrent handlers per queue"),
      WORKER_BATCH_SIZE: wholeNumber(1, 1000)
        .default(100)
        .describe("maximum number of results or upserts in one SQL statement"),
      WORKER_FLUSH_MS: wholeNumber(0, 1000).default(5).describe("maximum batching delay"),
      WORKER_SANDBOX_THREADS: wholeNumber(1, 256)
        .optional()
        .describe(
          "maximum number of concurrent sandboxed jobs; by default one less than the number of CPU cores",
        ),
      WORKER_RATE_LIMIT_MAX: wholeNumber(1, 1_000_000)
        .optional()
        .describe("maximum number of jobs per `WORKER_RATE_LIMIT_DURATION_MS`, per queue"),
      WORKER_RATE_LIMIT_DURATION_MS: milliseconds(1)
        .optional()
        .describe("period of `WORKER_RATE_LIMIT_MAX`"),
      WORKER_KEY_RATE_LIMITS: createKeyRates(jobTypes)
        .default(new Map())
        .describe(
          "overrides the rate limits per key of job types, as a list: `feed.fetch=100/60000` (jobs per ms), `feed.fetch=off`",
        ),
      WORKER_LOCK_DURATION_MS: milliseconds(1000)
        .default(10_000)
        .describe("lock duration of a job, renewed by heartbeat"),
      WORKER_STALLED_INTERVAL_MS: milliseconds(500)
        .default(5000)
        .describe("interval of the check for stalled jobs, whose consumer was lost"),
      WORKER_MAX_STALLED_COUNT: wholeNumber(0, 1000)
        .default(10)
        .describe("maximum number of times that a job may lose its consumer"),
      RECONCILE_INTERVAL_MS: milliseconds(100)
        .default(30_000)
        .describe("interval of reconciliation passes, which compare the ledger with Redis"),
      RECONCILE_GRACE_MS: milliseconds(0)
        .default(5000)
        .describe("minimum age before a pending job is reconciled"),
      ...retentionFields,
      SCHEDULES_FILE: z
        .string()
        .optional()
        .describe(
          "YAML or JSON file of schedules: names with bodies of `PUT /v1/schedules/{name}`; read at startup and on SIGHUP",
        ),
      SECRET_KEYS: secretKeysField.optional(),
      ...logFields,
      ...traceFields,
      METRICS_PORT: port()
        .default(0)
        .describe("port of `/metrics`, `/livez` and `/readyz`; 0 turns it off"),
      HOST: z.string().default("127.0.0.1"),
      DRAIN_MS: milliseconds(0).default(25_000),
      ALLOW_PRIVATE_ADDRESSES: flag
        .default(false)
        .describe("allows feeds, webhooks and push endpoints at private network addresses"),
      FEED_ALLOW_PRIVATE_ADDRESSES: flag
        .default(false)
        .describe("allows only feeds at private network addresses"),
      ...webhookFields,
    })
    .refine(
      (variables) =>
        (variables.WORKER_RATE_LIMIT_MAX === undefined) ===
        (variables.WORKER_RATE_LIMIT_DURATION_MS === undefined),
      {
        path: ["WORKER_RATE_LIMIT_MAX"],
        error: "needs WORKER_RATE_LIMIT_DURATION_MS beside it, and the other way round",
      },
    );
}

export type Config = ReturnType<typeof loadConfig>;

/**
 * Builds the configuration from the environment.
 * @throws ConfigError that names the invalid variable
 */
export function loadConfig(
  jobTypes: JobTypeRegistry,
  env: Env,
  readFile: (path: string) => string,
) {
  const variables = loadEnv(createVariables(jobTypes), env, readFile);
  const { WORKER_RATE_LIMIT_MAX: max, WORKER_RATE_LIMIT_DURATION_MS: duration } = variables;
  return {
    redis: toRedisServers(variables),
    databaseUrl: variables.DATABASE_URL,
    prefix: variables.BULL_PREFIX,
    worker: {
      queues: variables.BULL_QUEUE_NAME,
      concurrency: variables.WORKER_CONCURRENCY,
      limiter: max === undefined || duration === undefined ? undefined : { max, duration },
      /** Rate limit per key, by job type; null turns the limit off. */
      keyRates: variables.WORKER_KEY_RATE_LIMITS,
      lockDurationMs: variables.WORKER_LOCK_DURATION_MS,
      stalledIntervalMs: variables.WORKER_STALLED_INTERVAL_MS,
      maxStalledCount: variables.WORKER_MAX_STALLED_COUNT,
    },
    batch: { maxEntries: variables.WORKER_BATCH_SIZE, flushMs: variables.WORKER_FLUSH_MS },
    /** Defaults to one thread less than there are CPU cores. */
    sandboxThreads: variables.WORKER_SANDBOX_THREADS,
    reconcile: {
      intervalMs: variables.RECONCILE_INTERVAL_MS,
      graceMs: variables.RECONCILE_GRACE_MS,
    },
    retain: toRetentionSettings(variables),
    schedules: readSchedules(jobTypes, variables, readFile),
    /** Keys that encrypt and decrypt the secret fields of jobs. */
    secretKeys: variables.SECRET_KEYS,
    log: toLogSettings(variables),
    /** Undefined when tracing is off. */
    trace: toTraceSettings(variables, "toril-consumer"),
    /** 0 turns the status server off. */
    metricsPort: variables.METRICS_PORT,
    host: variables.HOST,
    drainMs: variables.DRAIN_MS,
    isPrivateAddressAllowed: variables.ALLOW_PRIVATE_ADDRESSES,
    isPrivateFeedAllowed:
      variables.ALLOW_PRIVATE_ADDRESSES || variables.FEED_ALLOW_PRIVATE_ADDRESSES,
    webhooks: toWebhookSettings(variables),
  };
}

function readSchedules(
  jobTypes: JobTypeRegistry,
  { SCHEDULES_FILE: path, SECRET_KEYS: keys }: z.output<ReturnType<typeof createVariables>>,
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
  return parseScheduleFile(jobTypes, path, text, keys && createKeyRing(keys));
}
