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
