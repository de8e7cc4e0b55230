import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { Log } from "../observability/log.ts";
import type { SafePost } from "../safe-fetch/safe-post.ts";
import { createLedgerBatcher } from "@toril/contract/engine/jobs/attempt/ledger-batcher";
import { allotSlots } from "./allot-slots.ts";
import {
  claimDeliveries,
  type ClaimedDelivery,
  findDueWebhooks,
  recordAttempts,
} from "./claim-deliveries.ts";
import type { WebhookSettings } from "./config.ts";
import { disableWebhook, type DisableOptions } from "./disable-webhook.ts";
import type { WebhookMetrics } from "./metrics.ts";
import { sendDelivery, type SentDelivery } from "./send-delivery.ts";

export interface DeliveryDeps {
  ledger: Pick<Ledger, "run">;
  post: SafePost;
  secretKeys: KeyRing | undefined;
  settings: WebhookSettings;
  metrics: WebhookMetrics;
  log: Log;
}

export interface WebhookDeliverer extends AsyncDisposable {
  start(): void;
  /** Looks for due deliveries soon. */
  wake(): void;
}

/** Maximum concurrent deliveries of this process. */
const maxActive = 200;
const pollMs = 500;
const errorRetryMs = 1000;
/** After the timeout of an attempt its result is recorded. */
const leaseMarginMs = 30_000;
/** How long a shutdown waits for active attempts, which another process repeats otherwise. */
const closeMs = 2000;

/** Sends the recorded events of webhooks; any number of consumers share the work. */
export function createWebhookDeliverer(deps: DeliveryDeps): WebhookDeliverer {
  const { ledger, post, secretKeys, settings, metrics, log } = deps;
  const { timeoutMs, concurrency, retryBaseMs, retryForMs, disableAfterMs } = settings;
  const stop = new AbortController();
  const abort = new AbortController();
  const active = new Map<string, number>();
  const sending = new Set<Promise<void>>();
  let running = Promise.resolve();
  let isFailing = false;
  let lastServed = "";
  let alarm = Promise.withResolvers<void>();

  const reports = createLedgerBatcher<SentDelivery, void>({
    maxEntries: 100,
    flushMs: 5,
    maxInFlight: 1,
    async run(entries) {
      await ledger.run((sql) => recordAttempts(sql, entries));
      return entries.map(() => {});
    },
  });

  async function send(delivery: ClaimedDelivery) {
    const { tenant, name, event, attempts } = delivery;
    try {
      const retry = { baseMs: retryBaseMs, retryForMs };
      const options = { post, secretKeys, timeoutMs, retry, signal: abort.signal };
      const sent = await sendDelivery(delivery, options);
      // Another process repeats an attempt that a shutdown cut off.
      if (abort.signal.aborted && !sent.isDelivered) return;
      await reports.submit(sent);
      metrics.onAttempt(toOutcome(sent), sent.latencyMs);
      if (sent.isDelivered) return;
      log.info(
        {
          tenant,
          webhook: name,
          event,
          deliveryId: delivery.id,
          attempt: attempts,
          reason: sent.error,
        },
        sent.retryMs === null ? "gave up a webhook delivery" : "webhook delivery failed",
      );
      if (sent.isGone && delivery.callbackUrl === null) await disable(delivery, { reason: "gone" });
      else if (disableAfterMs !== null)
        await disable(delivery, { reason: "failing", failingForMs: disableAfterMs });
    } catch (error) {
      // The lease expires, and the attempt is repeated.
      log.warn({ err: error, tenant, webhook: name }, "failed to record a webhook delivery");
    }
  }

  async function disable({ webhookId, tenant, name }: ClaimedDelivery, options: DisableOptions) {
    if (!(await ledger.run((sql) => disableWebhook(sql, webhookId, options)))) return;
    metrics.onDisabled(options.reason);
    log.warn({ tenant, webhook: name, reason: options.reason }, "disabled a webhook");
  }

  function startSending(delivery: ClaimedDelivery) {
    const { webhookId } = delivery;
    active.set(webhookId, (active.get(webhookId) ?? 0) + 1);
    const sent = send(delivery).finally(() => {
      const left = (active.get(webhookId) ?? 1) - 1;
      if (left === 0) active.delete(webhookId);
      else active.set(webhookId, left);
      sending.delete(sent);
      alarm.resolve();
    });
    sending.add(sent);
  }

  /** @returns the number of started attempts */
  async function startDue(): Promise<number> {
    const due = await ledger.run(findDueWebhooks);
    metrics.setLag(Math.max(0, ...due.map(({ lagMs }) => lagMs)));
    const requests = allotSlots(due, {
      free: maxActive - sending.size,
      perWebhook: concurrency,
      countActive: (id) => active.get(id) ?? 0,
      after: lastServed,
    });
    if (requests.length === 0) return 0;
    lastServed = requests.at(-1)?.id ?? "";
    const leaseMs = timeoutMs + leaseMarginMs;
    const claimed = await ledger.run((sql) => claimDeliveries(sql, requests, leaseMs));
    for (const delivery of claimed) startSending(delivery);
    return claimed.length;
  }

  async function waitForWork(ms: number) {
    const timer = setTimeout(() => alarm.resolve(), ms);
    await alarm.promise;
    clearTimeout(timer);
    alarm = Promise.withResolvers();
  }

  async function run() {
    while (!stop.signal.aborted) {
      try {
        const started = await startDue();
        isFailing = false;
        if (started === 0) await waitForWork(pollMs);
      } catch (error) {
        if (!isFailing) log.warn({ err: error }, "failed to read due webhook deliveries");
        isFailing = true;
        await waitForWork(errorRetryMs);
      }
    }
  }

  return {
    start() {
      running = run();
    },
    wake: () => alarm.resolve(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      alarm.resolve();
      await running;
      const timer = setTimeout(() => abort.abort(), closeMs / 2);
      await Promise.allSettled(sending);
      clearTimeout(timer);
    },
  };
}

function toOutcome({ isDelivered, retryMs }: SentDelivery) {
  if (isDelivered) return "delivered";
  return retryMs === null ? "failed" : "retried";
}
