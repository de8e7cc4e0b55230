import { z } from "zod";

const count = z.int().min(0);
const ms = z.number().min(0);
const time = z.iso.datetime();

const Quantiles = z
  .strictObject({ p50: ms, p95: ms })
  .meta({ id: "Quantiles", description: "Estimated quantiles of a duration, in milliseconds" });

const durations = {
  startMs: z.union([Quantiles, z.null()]).meta({
    description: "Time from the due time of a job to its first attempt; null without attempts",
  }),
  runMs: z.union([Quantiles, z.null()]).meta({ description: "Duration of attempts" }),
  settleMs: z.union([Quantiles, z.null()]).meta({
    description:
      "Time from the due time of a job (its acceptance, if not delayed) until an attempt settled the job, including earlier attempts and the pauses between them",
  }),
  commitMs: z.union([Quantiles, z.null()]).meta({
    description: "Duration of the writes to Postgres that accept jobs",
  }),
};

const OverviewSlot = z
  .strictObject({
    at: time.meta({ description: "Start of the slot" }),
    in: z.number().min(0).nullable().meta({
      description: "Jobs per second added to the queues; null if not measured",
    }),
    out: z.number().min(0).nullable().meta({
      description: "Jobs per second finished or removed; null if not measured",
    }),
    waiting: count.nullable(),
    active: count.nullable(),
    delayed: count.nullable(),
    oldestWaitingMs: ms.nullable(),
    completed: count.meta({ description: "Attempts that completed their job" }),
    retried: count.meta({ description: "Attempts that failed and will be retried" }),
    dead: count.meta({ description: "Attempts that left a dead letter" }),
    expired: count,
    refused: count.meta({ description: "Requests answered 429 or 503" }),
    ...durations,
  })
  .meta({ id: "OverviewSlot" });
export type OverviewSlot = z.infer<typeof OverviewSlot>;

const OverviewQueue = z
  .strictObject({
    name: z.string(),
    paused: z.boolean(),
    waiting: count.meta({ description: "Waiting and prioritized jobs" }),
    active: count,
    delayed: count,
    oldestWaitingMs: ms,
    workers: count.meta({ description: "Consumers and pull workers that process this queue" }),
    stockWorkers: count
      .nullable()
      .meta({ description: "Stock BullMQ workers that process this queue; null if unknown" }),
    capacity: count.meta({
      description: "Maximum number of concurrent handlers of consumers and of jobs of pull workers",
    }),
  })
  .meta({ id: "OverviewQueue" });

const OverviewRedis = z
  .strictObject({
    usedBytes: count,
    maxBytes: count.nullable().meta({ description: "`maxmemory`; null: no limit" }),
  })
  .meta({ id: "OverviewRedis", description: "Memory of the fullest Redis node" });

const OverviewWorkers = z
  .strictObject({
    consumers: count.meta({
      description: "Consumer processes; they also send requests to push endpoints",
    }),
    pull: count.meta({ description: "Workers that take jobs over HTTP" }),
    pushEndpoints: count.meta({ description: "Job types whose jobs are sent to a push endpoint" }),
    stock: count.nullable().meta({
      description: "Stock BullMQ workers, one per queue; null if Redis does not permit CLIENT LIST",
    }),
  })
  .meta({
    id: "OverviewWorkers",
    description: "Workers of all queues by kind",
  });

export const Overview = z
  .strictObject({
    at: time,
    slotMs: count.meta({ description: "Length of a slot" }),
    slots: z.array(OverviewSlot).meta({ description: "The last 30 minutes, oldest first" }),
    recent: z
      .strictObject(durations)
      .meta({ description: "Durations of the last five minutes", id: "OverviewDurations" }),
    queues: z.array(OverviewQueue),
    workers: OverviewWorkers,
    redis: OverviewRedis,
    hasHistory: z.boolean().meta({
      description: "Whether `GET /v1/overview/history` is available: a Prometheus is configured",
    }),
  })
  .meta({ id: "Overview" });
export type Overview = z.infer<typeof Overview>;

/** Periods of the history, with the length of their slots. */
export const historySlotMs = { "6h": 120_000, "24h": 300_000, "7d": 1_800_000 } as const;
export type HistoryRange = keyof typeof historySlotMs;
export const historyRanges = ["6h", "24h", "7d"] as const satisfies HistoryRange[];

export const OverviewHistory = z
  .strictObject({
    range: z.enum(historyRanges),
    slotMs: count.meta({ description: "Length of a slot" }),
    slots: z.array(OverviewSlot).meta({ description: "Oldest first; the last slot ends now" }),
  })
  .meta({ id: "OverviewHistory" });
export type OverviewHistory = z.infer<typeof OverviewHistory>;
