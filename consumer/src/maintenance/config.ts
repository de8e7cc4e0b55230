import { ageOrOff, milliseconds } from "@toril/contract/engine/config/config";
import type { z } from "zod";
import type { Retainable } from "./retention-statements.ts";

const age = (byDefault: string, description: string) =>
  ageOrOff().prefault(byDefault).describe(description);

/** Retention periods of ended jobs and other finished rows. */
export const retentionFields = {
  RETAIN_COMPLETED: age(
    "7d",
    "retention period of completed jobs, like `90s`, `12h` or `30d`; `off` keeps them forever",
  ),
  RETAIN_DEAD: age("90d", "retention period of dead jobs (dead letters)"),
  RETAIN_CANCELLED: age("30d", "retention period of cancelled jobs"),
  RETAIN_EXPIRED: age("30d", "retention period of expired jobs"),
  RETAIN_IMPORTS: age(
    "off",
    "retention period of imports whose jobs are all finished, **and of the rows that they imported**",
  ),
  RETAIN_IDEMPOTENCY_KEYS: age(
    "24h",
    "how long the original response of a request with an Idempotency-Key is replayed",
  ),
  RETAIN_OPERATIONS: age("30d", "retention period of finished operations"),
  RETAIN_WEBHOOK_DELIVERIES: age(
    "14d",
    "how long the deliveries of webhooks are listed and can be replayed; pending deliveries are kept",
  ),
  RETAIN_INTERVAL_MS: milliseconds(100).default(30_000).describe("interval of retention passes"),
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
    webhookDeliveries: env.RETAIN_WEBHOOK_DELIVERIES,
  };
  return { ages, intervalMs: env.RETAIN_INTERVAL_MS };
}
