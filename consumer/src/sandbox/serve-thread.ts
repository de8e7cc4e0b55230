import { isMainThread, type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { JobLog } from "../observability/log.ts";
import {
  type FromThread,
  namedError,
  sandboxMarker,
  type ToThread,
  toThreadError,
} from "./messages.ts";
import type { SandboxContext, SandboxedHandlerMap, SandboxModule } from "./sandboxed-handler.ts";

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

/** Runs attempts that arrive on `port`, in this thread. */
export function serveThread(port: MessagePort, handlers: SandboxedHandlerMap): void {
  const pendingCalls = new Map<number, PromiseWithResolvers<unknown>>();
  let lastSeq = 0;
  let running = new AbortController();

  const send = (message: FromThread) => port.postMessage(message);

  function call(name: string, args: unknown[]): Promise<unknown> {
    const seq = ++lastSeq;
    const answer = Promise.withResolvers<unknown>();
    pendingCalls.set(seq, answer);
    send({ kind: "call", seq, name, args });
    return answer.promise;
  }

  function createContext({ id, attempt }: ToThread & { kind: "run" }): SandboxContext {
    const { signal } = running;
    return {
      id,
      attempt,
      signal,
      log: {
        debug: write("debug"),
        info: write("info"),
        warn: write("warn"),
        error: write("error"),
      },
      progress: (value) => send({ kind: "progress", value }),
      readRows: (...args) => call("readRows", args) as ReturnType<SandboxContext["readRows"]>,
    };
  }

  const write =
    (level: keyof JobLog) =>
    (...line: unknown[]) =>
      send({ kind: "log", level, line });

  async function run(message: ToThread & { kind: "run" }): Promise<FromThread> {
    try {
      const handle = handlers[message.type];
      if (handle === undefined) throw new Error(`no handler for the job type ${message.type}`);
      return { kind: "completed", result: await handle(message.data, createContext(message)) };
    } catch (thrown) {
      return { kind: "failed", error: toThreadError(thrown) };
    }
  }

  async function serve(message: ToThread & { kind: "run" }) {
    running = new AbortController();
    const ended = await run(message);
    try {
      send(ended);
    } catch (error) {
      send({ kind: "failed", error: toThreadError(error) });
    }
  }

  port.on("message", (message: ToThread) => {
    switch (message.kind) {
      case "run":
        void serve(message);
        return;
      case "abort":
        running.abort(namedError("AbortError", "The attempt was aborted."));
        return;
      case "answer": {
        const answer = pendingCalls.get(message.seq);
        pendingCalls.delete(message.seq);
        if (message.status === "ok") answer?.resolve(message.value);
        else answer?.reject(new Error(message.detail));
      }
    }
  });
}
