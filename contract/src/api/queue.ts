import { z } from "zod";

const dayMs = 24 * 60 * 60 * 1000;
const count = z.int().min(0);
const time = z.iso.datetime();

const QueueRateLimit = z
  .strictObject({
    max: z.int().min(1).max(1_000_000).meta({ description: "So many jobs start" }),
    durationMs: z.int().min(1).max(dayMs).meta({ description: "in so many milliseconds" }),
  })
  .meta({ id: "QueueRateLimit", example: { max: 100, durationMs: 1000 } });

const settings = {
  concurrency: z
    .int()
    .min(1)
    .max(100_000)
    .nullable()
    .meta({ description: "Jobs at once, all consumers together; null: as many as they take" }),
  rateLimit: z
    .union([QueueRateLimit, z.null()])
    .meta({ description: "All consumers together; null: none" }),
};

/** What an operator sets for a queue. */
export const QueueSettings = z
  .strictObject({ queue: z.string(), paused: z.boolean(), ...settings })
  .meta({ id: "QueueSettings" });
export type QueueSettings = z.infer<typeof QueueSettings>;

/** What is not given stays. */
export const QueueChange = z
  .strictObject({
    concurrency: settings.concurrency.optional(),
    rateLimit: settings.rateLimit.optional(),
  })
  .refine((change) => Object.keys(change).length > 0, "Nothing is changed.")
  .meta({ id: "QueueChange", minProperties: 1, example: { concurrency: 10, rateLimit: null } });
export type QueueChange = z.infer<typeof QueueChange>;

export const QueueWorker = z
  .strictObject({
    id: z.string(),
    host: z.string(),
    pid: z.int(),
    concurrency: z.int().meta({ description: "Jobs at once in this process" }),
    active: count,
    startedAt: time,
    seenAt: time,
  })
  .meta({ id: "QueueWorker" });
export type QueueWorker = z.infer<typeof QueueWorker>;

const QueueRates = z
  .strictObject({
    in: z.number().min(0).meta({ description: "Jobs that came, a second" }),
    out: z.number().min(0).meta({ description: "Jobs that ended or were removed, a second" }),
    overMs: z.int().meta({ description: "Measured over this time: up to about a minute" }),
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
        failed: count.meta({ description: "Those that Redis still keeps, for the dashboard" }),
      })
      .meta({
        id: "QueueCounts",
        description: "Jobs of all tenants, by where they stand in Redis",
      }),
    oldestWaitingMs: count.meta({
      description: "For how long the next job has been ready to run; 0 when none waits",
    }),
    rates: z
      .union([QueueRates, z.null()])
      .meta({ description: "null until there is something to compare with" }),
    workers: z.array(QueueWorker).meta({ description: "Toril's consumers that serve it" }),
    paused: z.boolean(),
    ...settings,
  })
  .meta({ id: "Queue" });
export type Queue = z.infer<typeof Queue>;

/** Which jobs that failed are forgotten by Redis; the ledger keeps them. */
export const QueueCleaning = z
  .strictObject({
    state: z.literal("failed"),
    olderThanMs: z
      .int()
      .min(0)
      .max(366 * dayMs)
      .meta({ description: "Since they failed" }),
  })
  .meta({ id: "QueueCleaning", example: { state: "failed", olderThanMs: 86_400_000 } });
export type QueueCleaning = z.infer<typeof QueueCleaning>;
