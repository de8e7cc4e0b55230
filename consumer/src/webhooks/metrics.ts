import { createCounter } from "@toril/contract/engine/metrics/process-metrics";
import { Gauge, Histogram, type Registry } from "prom-client";

const outcomes = ["delivered", "retried", "failed"] as const;
const reasons = ["failing", "gone"] as const;

export interface WebhookMetrics {
  onAttempt(outcome: (typeof outcomes)[number], ms: number): void;
  onDisabled(reason: (typeof reasons)[number]): void;
  /** How long the oldest due delivery of an enabled webhook has been due. */
  setLag(ms: number): void;
}

/** Creates the metrics of webhook deliveries. */
export function createWebhookMetrics(registry: Registry): WebhookMetrics {
  const attempts = createCounter(
    registry,
    {
      name: "toril_webhook_attempts_total",
      help: "Attempts to deliver an event to a webhook, by outcome: failed means not retried",
      labelNames: ["outcome"],
    },
    outcomes.map((outcome) => ({ outcome })),
  );
  const duration = new Histogram({
    name: "toril_webhook_attempt_seconds",
    help: "Duration of an attempt to deliver an event to a webhook",
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60],
    registers: [registry],
  });
  const disabled = createCounter(
    registry,
    {
      name: "toril_webhooks_disabled_total",
      help: "Webhooks that were disabled because their endpoint failed for days or answered 410",
      labelNames: ["reason"],
    },
    reasons.map((reason) => ({ reason })),
  );
  const lag = new Gauge({
    name: "toril_webhook_lag_seconds",
    help: "How long the oldest due delivery of an enabled webhook has been due",
    registers: [registry],
  });
  return {
    onAttempt(outcome, ms) {
      attempts.inc({ outcome });
      duration.observe(ms / 1000);
    },
    onDisabled: (reason) => disabled.inc({ reason }),
    setLag: (ms) => lag.set(ms / 1000),
  };
}
