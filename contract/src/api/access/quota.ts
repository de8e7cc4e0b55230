import { z } from "zod";

const rate = z.int().min(1).max(1_000_000).meta({
  description: "Average number of jobs per second",
});
const burst = z.int().min(1).max(10_000_000).meta({
  description: "Maximum number of jobs at once; default: `rate`",
});
const maxWaiting = z.int().min(1).max(100_000_000).meta({
  description: "Maximum number of pending jobs",
});
const bytes = z.int().min(1).max(10_000_000_000).meta({
  description: "Average number of request body bytes per second",
});

/** The quotas of an API key. Omitted quotas are unlimited. */
export const Quotas = z
  .strictObject({
    rate: rate.optional(),
    burst: burst.optional(),
    maxWaiting: maxWaiting.optional(),
    bytes: bytes.optional(),
  })
  .refine(({ rate, burst }) => burst === undefined || rate !== undefined, {
    path: ["burst"],
    error: "`burst` requires `rate`.",
  })
  .meta({ id: "Quotas", example: { rate: 100, burst: 200, maxWaiting: 10_000 } });
/** A JSON merge patch for quotas: null removes a quota. */
export const QuotasChange = z
  .strictObject({
    rate: rate.nullable().optional(),
    burst: burst.nullable().optional(),
    maxWaiting: maxWaiting.nullable().optional(),
    bytes: bytes.nullable().optional(),
  })
  .meta({ id: "QuotasChange", example: { rate: 100, burst: null } });

export type Quotas = z.infer<typeof Quotas>;

const BucketUse = z
  .strictObject({
    available: z.number().nullable().meta({
      description: "Remaining quota; negative: used in advance. Null while Redis is unavailable",
    }),
    burst: z.int().meta({ description: "Maximum at once" }),
    perSecond: z.int(),
  })
  .meta({ id: "BucketUse" });

const WaitingUse = z
  .strictObject({
    pending: z.int().min(0).meta({ description: "Pending jobs of the key, counted up to `max`" }),
    max: z.int(),
  })
  .meta({ id: "WaitingUse" });

/** How much of its quotas a key uses. */
export const QuotaUse = z
  .strictObject({
    jobs: z
      .union([BucketUse, z.null()])
      .meta({ description: "Enqueued jobs; null without `rate`" }),
    bytes: z
      .union([BucketUse, z.null()])
      .meta({ description: "Bytes of request bodies; null without `bytes`" }),
    waiting: z
      .union([WaitingUse, z.null()])
      .meta({ description: "Pending jobs; null without `maxWaiting`" }),
  })
  .meta({
    id: "QuotaUse",
    example: {
      jobs: { available: 180, burst: 200, perSecond: 100 },
      bytes: null,
      waiting: { pending: 12, max: 10_000 },
    },
  });
export type QuotaUse = z.infer<typeof QuotaUse>;
