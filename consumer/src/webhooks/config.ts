import { ageOrOff, milliseconds, wholeNumber } from "@toril/contract/engine/config/config";
import type { z } from "zod";

/** How webhooks are delivered. */
export const webhookFields = {
  WEBHOOK_TIMEOUT_MS: milliseconds(100)
    .default(15_000)
    .describe("timeout of one attempt to deliver an event to a webhook"),
  WEBHOOK_CONCURRENCY: wholeNumber(1, 1000)
    .default(10)
    .describe("maximum number of concurrent deliveries to one webhook, per consumer"),
  WEBHOOK_RETRY_BASE_MS: milliseconds(1)
    .default(5000)
    .describe(
      "delay after the first failed attempt of a delivery; each further delay is four times as long, at most 12 hours",
    ),
  WEBHOOK_RETRY_FOR: ageOrOff()
    .prefault("3d")
    .describe("maximum time of retries of an event, like `12h` or `3d`; `off` retries forever"),
  WEBHOOK_DISABLE_AFTER: ageOrOff()
    .prefault("5d")
    .describe(
      "time without a successful attempt after which a webhook is disabled; `off` never disables a webhook",
    ),
};

export type WebhookSettings = ReturnType<typeof toWebhookSettings>;

export function toWebhookSettings(env: {
  [Name in keyof typeof webhookFields]: z.output<(typeof webhookFields)[Name]>;
}) {
  return {
    timeoutMs: env.WEBHOOK_TIMEOUT_MS,
    concurrency: env.WEBHOOK_CONCURRENCY,
    retryBaseMs: env.WEBHOOK_RETRY_BASE_MS,
    /** Null: forever. */
    retryForMs: env.WEBHOOK_RETRY_FOR,
    /** Null: never. */
    disableAfterMs: env.WEBHOOK_DISABLE_AFTER,
  };
}
