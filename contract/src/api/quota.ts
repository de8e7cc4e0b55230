import { z } from "zod";

/** The quotas of an API key. Omitted quotas are unlimited. */
export const Quotas = z
  .strictObject({
    rate: z.int().min(1).max(1_000_000).optional().meta({
      description: "Average number of jobs per second",
    }),
    burst: z.int().min(1).max(10_000_000).optional().meta({
      description: "Maximum number of jobs at once; default: `rate`",
    }),
    maxWaiting: z.int().min(1).max(100_000_000).optional().meta({
      description: "Maximum number of pending jobs",
    }),
    bytes: z.int().min(1).max(10_000_000_000).optional().meta({
      description: "Average number of request body bytes per second",
    }),
  })
  .refine(({ rate, burst }) => burst === undefined || rate !== undefined, {
    path: ["burst"],
    error: "`burst` requires `rate`.",
  })
  .meta({ id: "Quotas", example: { rate: 100, burst: 200, maxWaiting: 10_000 } });
export type Quotas = z.infer<typeof Quotas>;
