import { z } from "zod";

const dayMs = 24 * 60 * 60 * 1000;
const count = z.int().min(0);
const time = z.iso.datetime();

const QueueRateLimit = z
  .strictObject({
    max: z
      .int()
      .min(1)
      .max(1_000_000)
      .meta({ description: "Maximum number of jobs started per `durationMs`" }),
    durationMs: z
      .int()
      .min(1)
      .max(dayMs)
      .meta({ description: "Length of the window, in milliseconds" }),
  })
  .meta({ id: "QueueRateLimit", example: { max: 100, durationMs: 1000 } });

const settings = {
  concurrency: z
    .int()
    .min(1)
    .max(100_000)
    .nullable()
    .meta({ description: "Maximum number of active jobs across all consumers; null: no limit" }),
  rateLimit: z
    .union([QueueRateLimit, z.null()])
    .meta({ description: "Rate limit across all consumers; null: no limit" }),
};

/** The settings of a queue. */
export const QueueSettings = z
  .strictObject({ queue: z.string(), paused: z.boolean(), ...settings })
  .meta({
    id: "QueueSettings",
    example: { queue: "default", paused: false, concurrency: 10, rateLimit: null },
  });
export type QueueSettings = z.infer<typeof QueueSettings>;

/** The changes of queue settings. Omitted fields are not changed. */
export const QueueChange = z
  .strictObject({
    concurrency: settings.concurrency.optional(),
    rateLimit: settings.rateLimit.optional(),
  })
  .refine((change) => Object.keys(change).length > 0, "At least one field is required.")
  .meta({ id: "QueueChange", minProperties: 1, example: { concurrency: 10, rateLimit: null } });
export type QueueChange = z.infer<typeof QueueChange>;

export const QueueWorker = z
  .strictObject({
    id: z.string(),
    kind: z.enum(["consumer", "pull"]).optional().meta({
      description:
        "pull: a worker that takes jobs over HTTP: `host` is its name, `concurrency` the maximum number of jobs per request, and `active` an estimate",
    }),
    host: z.string(),
    pid: z.int().meta({ description: "0 for a pull worker" }),
    concurrency: z
      .int()
      .meta({ description: "Maximum number of concurrent handlers of this process" }),
    active: count.meta({
      description:
        "Jobs of this process, also those whose handlers have ended and whose outcomes are being recorded",
    }),
    startedAt: time,
    seenAt: time,
  })
  .meta({ id: "QueueWorker" });
export type QueueWorker = z.infer<typeof QueueWorker>;

const QueueRates = z
  .strictObject({
    in: z.number().min(0).meta({ description: "Jobs added per second" }),
    out: z.number().min(0).meta({ description: "Jobs finished or removed per second" }),
    overMs: z
      .int()
      .meta({ description: "Length of the measurement, in milliseconds; up to about a minute" }),
  })
  .meta({ id: "QueueRates" });

export const Queue = z
  .strictObject({
    name: z.string(),
    counts: z
      .strictObject({
        waiting: count,
        active: count,
        delayed: count,
        prioritized: count,
        failed: count.meta({
          description: "Failed jobs in Redis, as Bull Board shows them",
        }),
      })
      .meta({
        id: "QueueCounts",
        description: "Jobs of all tenants by state in Redis",
      }),
    oldestWaitingMs: count.meta({
      description: "Milliseconds that the next job has been waiting; 0 if no job is waiting",
    }),
    rates: z
      .union([QueueRates, z.null()])
      .meta({ description: "null until a first measurement is available" }),
    workers: z
      .array(QueueWorker)
      .meta({ description: "Consumers and pull workers that process this queue" }),
    stockWorkers: count.nullable().meta({
      description:
        "Stock BullMQ workers that are connected to Redis for this queue; null if Redis does not permit CLIENT LIST",
    }),
    paused: z.boolean(),
    ...settings,
  })
  .meta({
    id: "Queue",
    example: {
      name: "default",
      counts: { waiting: 12, active: 4, delayed: 0, prioritized: 0, failed: 1 },
      oldestWaitingMs: 350,
      rates: { in: 20.5, out: 21, overMs: 60_000 },
      workers: [
        {
          id: "consumer-1",
          host: "worker-1",
          pid: 42,
          concurrency: 10,
          active: 4,
          startedAt: "2026-11-23T08:00:00.000Z",
          seenAt: "2026-11-23T09:30:00.000Z",
        },
      ],
      stockWorkers: 0,
      paused: false,
      concurrency: 10,
      rateLimit: null,
    },
  });
export type Queue = z.infer<typeof Queue>;

/** Selects the failed jobs to remove from Redis; Postgres keeps them. */
export const QueueCleaning = z
  .strictObject({
    state: z.literal("failed"),
    olderThanMs: z
      .int()
      .min(0)
      .max(366 * dayMs)
      .meta({ description: "Minimum time since the failure, in milliseconds" }),
  })
  .meta({ id: "QueueCleaning", example: { state: "failed", olderThanMs: 86_400_000 } });
export type QueueCleaning = z.infer<typeof QueueCleaning>;
