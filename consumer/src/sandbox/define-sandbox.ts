import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { sandboxMarker } from "./messages.ts";
import type { SandboxContext, SandboxedHandlerMap, SandboxModule } from "./sandboxed-handler.ts";
import { serveThread } from "./serve-thread.ts";

/**
 * Defines the sandboxed handlers of a module, and serves them if the module was loaded by a sandbox thread.
 * @param moduleUrl `import.meta.url` of the module that calls this function
 */
export function defineSandbox<
  const Handlers extends Record<string, (data: never, context: SandboxContext) => Promise<unknown>>,
>(moduleUrl: string, handlers: Handlers): SandboxModule<Handlers> {
  if (!isMainThread && parentPort !== null && workerData === sandboxMarker) {
    // Sound: the consumer sends each handler the data of its own type.
    serveThread(parentPort, handlers as unknown as SandboxedHandlerMap);
  }
  return { handlers, threadUrl: new URL(moduleUrl) };
}
