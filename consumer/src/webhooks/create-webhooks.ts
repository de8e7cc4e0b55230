import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { hasWebhooks } from "@toril/contract/engine/webhooks/webhook-ledger";
import { createWebhookPresence } from "@toril/contract/engine/webhooks/webhook-presence";
import type { Registry } from "prom-client";
import type { Log } from "../observability/log.ts";
import type { SafePost } from "../safe-fetch/safe-post.ts";
import type { WebhookSettings } from "./config.ts";
import { createWebhookDeliverer } from "./deliver-webhooks.ts";
import { createWebhookMetrics } from "./metrics.ts";

export interface WebhooksDeps {
  settings: WebhookSettings;
  post: SafePost;
  ledger: Pick<Ledger, "run">;
  secretKeys: KeyRing | undefined;
  registry: Registry;
  log: Log;
}

export interface Webhooks extends AsyncDisposable {
  /** Whether jobs that are settled now may have to be reported to a webhook. */
  mayExist(): boolean;
  start(): void;
  /** Call when jobs were settled: their events may be due. */
  onSettled(): void;
}

/** Creates the delivery of webhooks. */
export function createWebhooks({
  settings,
  post,
  ledger,
  secretKeys,
  registry,
  log,
}: WebhooksDeps): Webhooks {
  const resources = new AsyncDisposableStack();
  const presence = createWebhookPresence({ read: () => ledger.run(hasWebhooks) });
  resources.defer(() => presence.close());
  const deliverer = resources.use(
    createWebhookDeliverer({
      ledger,
      post,
      secretKeys,
      settings,
      metrics: createWebhookMetrics(registry),
      log,
    }),
  );
  return {
    mayExist: () => presence.mayExist,
    start() {
      presence.start();
      deliverer.start();
    },
    onSettled() {
      if (presence.mayExist) deliverer.wake();
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
