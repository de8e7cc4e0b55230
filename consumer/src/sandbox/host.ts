import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { SandboxLimits } from "@toril/contract/api/job-type";
import type { HandlerContext } from "../worker/handler.ts";
import { type FromThread, type ToThread, fromThreadError, namedError } from "./messages.ts";
import type { Capabilities } from "./sandboxed-handler.ts";

export interface SandboxedAttempt {
  type: string;
  limits: SandboxLimits;
  data: unknown;
  context: HandlerContext;
}

/** One sandbox thread in its own process. */
export interface Host {
  readonly memoryMb: number;
  readonly threadUrl: URL;
  /** False when the process has exited or must be killed. */
  readonly isAlive: boolean;
  /** Runs one attempt; call only one at a time. */
  run(run: SandboxedAttempt): Promise<unknown>;
  kill(): Promise<void>;
}

export interface HostUrls {
  host: URL;
  thread: URL;
}

/** Time for an aborted handler to end. */
const graceMs = 250;
/** Signals with which V8 and the kernel kill a process that exceeds its memory. */
const memorySignals = new Set<string | null>(["SIGABRT", "SIGILL", "SIGKILL", "SIGTRAP"]);

export function openHost(urls: HostUrls, memoryMb: number, capabilities: Capabilities): Host {
  const child = fork(fileURLToPath(urls.host), [urls.thread.href, String(memoryMb)], {
    env: {},
    execArgv: [],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  // A process that failed to start emits no exit.
  const exited = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
  let isAlive = true;

  function killNow() {
    isAlive = false;
    child.kill("SIGKILL");
  }

  async function run({ type, limits, data, context }: SandboxedAttempt): Promise<unknown> {
    const { id, attempt, signal } = context;
    if (!isAlive)
      throw namedError("ThreadExited", "The process of the thread could not be started.");
    const ended = Promise.withResolvers<unknown>();

    function fail(error: unknown) {
      killNow();
      ended.reject(error);
    }

    function onMessage(message: FromThread) {
      switch (message.kind) {
        case "log":
          context.log[message.level](...(message.line as [object, string]));
          return;
        case "progress":
          context.progress(message.value);
          return;
        case "call":
          void answer(child, capabilities, id, message);
          return;
        case "completed":
          ended.resolve(message.result);
          return;
        case "failed":
          ended.reject(fromThreadError(message.error));
          return;
        case "crashed":
          fail(fromThreadError(message.error));
      }
    }

    const onExit = (code: number | null, by: string | null) =>
      fail(
        memorySignals.has(by)
          ? namedError(
              "OutOfMemory",
              `${by} ended the attempt: it needed more than ${memoryMb} MB.`,
            )
          : namedError("ThreadExited", `The process of the thread ended with ${by ?? code}.`),
      );
    const timeout = setTimeout(
      () => fail(namedError("TimedOut", `The attempt took longer than ${limits.timeoutMs} ms.`)),
      limits.timeoutMs,
    );
    let grace: NodeJS.Timeout | undefined;
    const onAbort = () => {
      send(child, { kind: "abort" });
      grace = setTimeout(() => fail(signal.reason), graceMs);
    };

    child.on("message", onMessage).on("exit", onExit).on("error", fail);
    signal.addEventListener("abort", onAbort);
    try {
      send(child, { kind: "run", type, id, attempt, data });
      if (signal.aborted) onAbort();
      return await ended.promise;
    } finally {
      clearTimeout(timeout);
      clearTimeout(grace);
      signal.removeEventListener("abort", onAbort);
      child.off("message", onMessage).off("exit", onExit).off("error", fail);
      if (signal.aborted) killNow();
    }
  }

  child.once("exit", () => (isAlive = false));
  child.on("error", killNow);
  return {
    memoryMb,
    threadUrl: urls.thread,
    get isAlive() {
      return isAlive;
    },
    run,
    async kill() {
      killNow();
      await exited;
    },
  };
}

async function answer(
  child: ChildProcess,
  capabilities: Capabilities,
  jobId: string,
  { seq, name, args }: FromThread & { kind: "call" },
) {
  try {
    const value = await capabilityNamed(capabilities, name)(jobId, ...args);
    send(child, { kind: "answer", seq, status: "ok", value });
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    send(child, { kind: "answer", seq, status: "failed", detail });
  }
}

function capabilityNamed(capabilities: Capabilities, name: string) {
  if (!Object.hasOwn(capabilities, name)) throw new Error(`Unknown capability: ${name}.`);
  // Safe: threads call capabilities through functions with the same types.
  return capabilities[name as keyof Capabilities] as (
    jobId: string,
    ...args: unknown[]
  ) => Promise<unknown>;
}

/** Ignores send errors: the exit event reports a process that has exited. */
function send(child: ChildProcess, message: ToThread) {
  if (child.connected) child.send(message, () => {});
}
