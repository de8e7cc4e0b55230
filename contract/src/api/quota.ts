import { z } from "zod";

/** What a key may use; what is not named is not bounded. */
export const Quotas = z
  .strictObject({
    rate: z.int().min(1).max(1_000_000).optional().meta({
      description: "Jobs a second, over time",
    }),
    burst: z.int().min(1).max(10_000_000).optional().meta({
      description: "Jobs at once; by default as many as `rate`",
    }),
    maxWaiting: z.int().min(1).max(100_000_000).optional().meta({
      description: "Jobs that have not ended",
    }),
    bytes: z.int().min(1).max(10_000_000_000).optional().meta({
      description: "Bytes of bodies a second, over time",
    }),
  })
  .refine(({ rate, burst }) => burst === undefined || rate !== undefined, {
    path: ["burst"],
    error: "Needs a rate.",
  })
  .meta({ id: "Quotas", example: { rate: 100, burst: 200, maxWaiting: 10_000 } });
export type Quotas = z.infer<typeof Quotas>;
