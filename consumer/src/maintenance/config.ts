import { ageOrOff, milliseconds } from "@toril/contract/engine/config/config";
import type { z } from "zod";
import type { Retainable } from "./retention-statements.ts";

const age = (byDefault: string, description: string) =>
  ageOrOff().prefault(byDefault).describe(description);

/** Retention periods of ended jobs and other finished rows. */
export const retentionFields = {
  RETAIN_COMPLETED: age(
    "7d",
    "how long completed jobs are kept, like `90s`, `12h` or `30d`; `off`: for ever",
  ),
  RETAIN_DEAD: age("90d", "how long dead ones are kept, the dead letters"),
  RETAIN_CANCELLED: age("30d", "how long cancelled ones are kept"),
  RETAIN_EXPIRED: age("30d", "how long expired ones are kept"),
  RETAIN_IMPORTS: age(
    "off",
    "how long imports whose jobs have all ended are kept, **and with them the rows that they imported**",
  ),
  RETAIN_IDEMPOTENCY_KEYS: age(
    "24h",
    "for how long the first answer comes again, whatever became of its job",
  ),
  RETAIN_OPERATIONS: age("30d", "how long it is told what operations on many jobs came to"),
  RETAIN_INTERVAL_MS: milliseconds(100)
    .default(30_000)
    .describe("how often the ledger is looked through for what may be deleted"),
};

/** Milliseconds; null keeps rows forever. */
export type RetentionAges = Record<Retainable, number | null>;

export function toRetentionSettings(env: {
  [Name in keyof typeof retentionFields]: z.output<(typeof retentionFields)[Name]>;
}) {
  const ages: RetentionAges = {
    completed: env.RETAIN_COMPLETED,
    dead: env.RETAIN_DEAD,
    cancelled: env.RETAIN_CANCELLED,
    expired: env.RETAIN_EXPIRED,
    imports: env.RETAIN_IMPORTS,
    idempotencyKeys: env.RETAIN_IDEMPOTENCY_KEYS,
    dedupWindows: 0,
    operations: env.RETAIN_OPERATIONS,
  };
  return { ages, intervalMs: env.RETAIN_INTERVAL_MS };
}
