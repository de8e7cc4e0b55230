import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { Log } from "../observability/log.ts";
import type { SafePost } from "../safe-fetch/safe-post.ts";
import { allotSlots } from "./allot-slots.ts";
import {
  type ClaimRequest,
  type ClaimedDelivery,
  type DueWebhook,
  exchangeDeliveries,
  findDueWebhooks,
} from "./claim-deliveries.ts";
import type { WebhookSettings } from "./config.ts";
import { disableWebhook, type DisableOptions } from "./disable-webhook.ts";
import type { WebhookMetrics } from "./metrics.ts";
import { sendDelivery, type SentDelivery } from "./send-delivery.ts";
import { sleep } from "../wait.ts";

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
/** How long finished attempts wait for others, so that they share a statement. */
const flushMs = 10;
/** After the timeout of an attempt its result is recorded. */
const leaseMarginMs = 30_000;
/** How long a shutdown waits for active attempts, which another process repeats otherwise. */
const closeMs = 2000;

/** Sends the recorded events of webhooks; any number of consumers share the work. */
export function createWebhookDeliverer(deps: DeliveryDeps): WebhookDeliverer {
  const { ledger, post, secretKeys, settings, metrics, log } = deps;
  const { timeoutMs, concurrency, retryBaseMs, retryForMs, disableAfterMs } = settings;
  const leaseMs = timeoutMs + leaseMarginMs;
  const stop = new AbortController();
  const abort = new AbortController();
  const active = new Map<string, number>();
  const sending = new Set<Promise<void>>();
  /** Results that are not recorded yet. */
  let unrecorded: SentDelivery[] = [];
  /** Webhooks that may have due deliveries. */
  let due: DueWebhook[] = [];
  let foundAt = Number.NEGATIVE_INFINITY;
  let isWoken = false;
  let running = Promise.resolve();
  /** Since when each statement has failed. */
  let failingSince: number | undefined;
  let lastServed = "";
  let alarm = Promise.withResolvers<void>();
  let allSent = Promise.withResolvers<void>();

  async function send(delivery: ClaimedDelivery) {
    const { tenant, name } = delivery;
    try {
      const retry = { baseMs: retryBaseMs, retryForMs };
      const options = { post, secretKeys, timeoutMs, retry, signal: abort.signal };
      const sent = await sendDelivery(delivery, options);
      // Another process repeats an attempt that a shutdown cut off.
      if (!abort.signal.aborted || sent.isDelivered) unrecorded.push(sent);
    } catch (error) {
      // The lease expires, and the attempt is repeated.
      log.warn({ err: error, tenant, webhook: name }, "failed to send a webhook delivery");
    }
  }

  function startSending(delivery: ClaimedDelivery) {
    const { webhookId } = delivery;
    active.set(webhookId, (active.get(webhookId) ?? 0) + 1);
    const sent = send(delivery).finally(() => {
      const left = (active.get(webhookId) ?? 1) - 1;
      if (left === 0) active.delete(webhookId);
      else active.set(webhookId, left);
      sending.delete(sent);
      if (sending.size === 0) allSent.resolve();
      alarm.resolve();
    });
    sending.add(sent);
  }

  async function findDue() {
    isWoken = false;
    foundAt = performance.now();
    due = await ledger.run(findDueWebhooks);
    metrics.setLag(Math.max(0, ...due.map(({ lagMs }) => lagMs)));
  }

  /** Applies results that are not recorded yet to the webhooks that were read. */
  function applyResults() {
    const failing = new Map(unrecorded.map((sent) => [sent.delivery.webhookId, !sent.isDelivered]));
    const stopped = new Set(
      unrecorded
        .filter((sent) => sent.pauseMs !== null || isDisabling(sent))
        .map(({ delivery }) => delivery.webhookId),
    );
    due = due
      .filter(({ id }) => !stopped.has(id))
      .map((webhook) => ({ ...webhook, isFailing: failing.get(webhook.id) ?? webhook.isFailing }));
  }

  /** Records the results of finished attempts and starts attempts for due deliveries. */
  async function recordAndStart() {
    if (isWoken || performance.now() - foundAt >= pollMs) await findDue();
    applyResults();
    const requests = allotSlots(due, {
      free: maxActive - sending.size,
      perWebhook: concurrency,
      countActive: (id) => active.get(id) ?? 0,
      after: lastServed,
    });
    lastServed = requests.at(-1)?.id ?? lastServed;
    const claimed = Map.groupBy(await recordAndClaim(requests), ({ webhookId }) => webhookId);
    const counts = new Map(requests.map(({ id, count }) => [id, count]));
    due = due.filter(({ id }) => (claimed.get(id)?.length ?? 0) >= (counts.get(id) ?? 0));
  }

  async function recordAndClaim(requests: readonly ClaimRequest[]): Promise<ClaimedDelivery[]> {
    const reports = unrecorded;
    if (reports.length === 0 && requests.length === 0) return [];
    unrecorded = [];
    let claimed: ClaimedDelivery[];
    try {
      claimed = await ledger.run((sql) => exchangeDeliveries(sql, { reports, requests, leaseMs }));
    } catch (error) {
      // After their leases the attempts are repeated.
      const isLate = performance.now() - (failingSince ?? Number.POSITIVE_INFINITY) > leaseMs;
      unrecorded = isLate ? [] : [...reports, ...unrecorded];
      throw error;
    }
    for (const delivery of claimed) startSending(delivery);
    for (const sent of reports) noteRecorded(sent);
    for (const sent of reports) await disableFailing(sent);
    return claimed;
  }

  function noteRecorded(sent: SentDelivery) {
    metrics.onAttempt(toOutcome(sent), sent.latencyMs);
    if (sent.isDelivered) return;
    const { id: deliveryId, tenant, name: webhook, event, attempts: attempt } = sent.delivery;
    log.info(
      { tenant, webhook, event, deliveryId, attempt, reason: sent.error },
      sent.retryMs === null ? "webhook delivery failed permanently" : "webhook delivery failed",
    );
  }

  async function disableFailing(sent: SentDelivery) {
    const { delivery, isDelivered } = sent;
    if (isDisabling(sent)) await disable(delivery, { reason: "gone" });
    else if (!isDelivered && disableAfterMs !== null && delivery.failingForMs >= disableAfterMs)
      await disable(delivery, { reason: "failing", failingForMs: disableAfterMs });
  }

  async function disable(delivery: ClaimedDelivery, options: DisableOptions) {
    if (!(await ledger.run((sql) => disableWebhook(sql, delivery, options)))) return;
    const { tenant, name } = delivery;
    metrics.onDisabled(options.reason);
    log.warn({ tenant, webhook: name, reason: options.reason }, "disabled a webhook");
  }

  async function waitForWork() {
    const timer = setTimeout(() => alarm.resolve(), pollMs);
    await alarm.promise;
    clearTimeout(timer);
    if (sending.size > 0) {
      allSent = Promise.withResolvers();
      const flushTimer = setTimeout(() => allSent.resolve(), flushMs);
      await allSent.promise;
      clearTimeout(flushTimer);
    }
    alarm = Promise.withResolvers();
  }

  async function run() {
    while (!stop.signal.aborted) {
      try {
        await recordAndStart();
        failingSince = undefined;
        await waitForWork();
      } catch (error) {
        if (failingSince === undefined)
          log.warn({ err: error }, "failed to read or record webhook deliveries");
        failingSince ??= performance.now();
        await sleep(errorRetryMs, stop.signal);
      }
    }
  }

  return {
    start() {
      running = run();
    },
    wake() {
      isWoken = true;
      alarm.resolve();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      alarm.resolve();
      await running;
      const timer = setTimeout(() => abort.abort(), closeMs / 2);
      await Promise.all(sending);
      clearTimeout(timer);
      await recordAndClaim([]).catch((error: unknown) =>
        log.warn({ err: error }, "failed to record webhook deliveries"),
      );
    },
  };
}

/** Whether the endpoint wants no more events: for a callback URL, only this one fails. */
function isDisabling({ isGone, delivery }: SentDelivery): boolean {
  return isGone && delivery.callbackUrl === null;
}

function toOutcome({ isDelivered, retryMs }: SentDelivery) {
  if (isDelivered) return "delivered";
  return retryMs === null ? "failed" : "retried";
}
