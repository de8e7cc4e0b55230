import type { MessagePort } from "node:worker_threads";
import type { JobLog } from "../observability/log.ts";
import type { FromThread, ToThread } from "./messages.ts";
import type { SandboxContext, SandboxedHandlerMap } from "./sandboxed-handler.ts";
import { namedError, toThreadError } from "./thread-error.ts";

/** Runs attempts that arrive on `port`, in this thread. */
export function serveThread(port: MessagePort, handlers: SandboxedHandlerMap): void {
  const asked = new Map<number, PromiseWithResolvers<unknown>>();
  let lastSeq = 0;
  let running = new AbortController();

  const send = (message: FromThread) => port.postMessage(message);

  function ask(name: string, given: unknown[]): Promise<unknown> {
    const seq = ++lastSeq;
    const answer = Promise.withResolvers<unknown>();
    asked.set(seq, answer);
    send({ kind: "ask", seq, name, given });
    return answer.promise;
  }

  function contextOf({ id, attempt }: ToThread & { kind: "run" }): SandboxContext {
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
      readRows: (...given) => ask("readRows", given) as ReturnType<SandboxContext["readRows"]>,
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
      return { kind: "completed", result: await handle(message.data, contextOf(message)) };
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
        running.abort(namedError("AbortError", "The run is to end."));
        return;
      case "answer": {
        const answer = asked.get(message.seq);
        asked.delete(message.seq);
        if (message.status === "ok") answer?.resolve(message.value);
        else answer?.reject(new Error(message.detail));
      }
    }
  });
}
