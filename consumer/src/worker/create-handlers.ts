import { availableParallelism } from "node:os";
import type { Config } from "../config.ts";
import type { ConsumerMetrics } from "../observability/metrics.ts";
import { createReadRows } from "../sandbox/read-rows.ts";
import { createSandbox } from "../sandbox/sandbox.ts";
import type { Stores } from "../stores/open-stores.ts";
import { createExtendContext } from "./extend-context.ts";
import { type HandlerMap, requireHandlers } from "./handler.ts";
import type { JobTypePlugin } from "./plugin.ts";
import { wrapHandlers } from "./wrap-handlers.ts";

export interface HandlersDeps {
  config: Config;
  plugin: JobTypePlugin;
  stores: Stores;
  /** Module of the process that hosts a sandbox thread. */
  sandboxHostUrl: URL;
  metrics: ConsumerMetrics;
}

/** Creates the handlers of the plugin, and handlers that run the sandboxed ones in threads. */
export async function createHandlers(
  { config, plugin, stores, sandboxHostUrl, metrics }: HandlersDeps,
  resources: AsyncDisposableStack,
): Promise<HandlerMap> {
  const { jobTypes, sandboxes = [] } = plugin;
  const types = jobTypes.types.flatMap(({ type, sandbox: limits }) => {
    const module = sandboxes.find(({ handlers }) => typeof handlers[type] === "function");
    return limits && module ? [{ type, limits, threadUrl: module.threadUrl }] : [];
  });
  const sandbox =
    types.length === 0
      ? undefined
      : resources.use(
          createSandbox({
            types,
            hostUrl: sandboxHostUrl,
            threads: config.sandboxThreads ?? Math.max(1, availableParallelism() - 1),
            capabilities: { readRows: createReadRows(stores.retryingLedger) },
          }),
        );
  metrics.gauge(
    "toril_sandbox_running",
    "Attempts that run in sandbox threads",
    () => sandbox?.running ?? 0,
  );
  metrics.gauge(
    "toril_sandbox_waiting",
    "Attempts that wait for a sandbox thread",
    () => sandbox?.waiting ?? 0,
  );
  const own = plugin.createHandlers({
    ledger: stores.retryingLedger,
    batch: config.batch,
    isPrivateFeedAllowed: config.isPrivateFeedAllowed,
    resources,
  });
  const handlers = new Map([...(sandbox?.handlers ?? []), ...own]);
  requireHandlers(jobTypes.types, handlers);
  const context = await plugin.openContext?.(resources);
  return wrapHandlers(handlers, {
    middleware: plugin.middleware ?? [],
    extendContext: context && createExtendContext(context),
  });
}
