import type { SandboxLimits } from "@toril/contract/api/job-type";
import { type HandlerContext, type HandlerMap, RetryAfterError } from "../worker/handler.ts";
import { type Host, openHost } from "./host.ts";
import type { Capabilities } from "./sandboxed-handler.ts";

export interface SandboxedType {
  type: string;
  limits: SandboxLimits;
  /** Module that serves the handler in a thread. */
  threadUrl: URL;
}

export interface SandboxSettings {
  types: readonly SandboxedType[];
  /** Module of the process that hosts a thread. */
  hostUrl: URL;
  threads: number;
  capabilities: Capabilities;
}

export interface Sandbox extends AsyncDisposable {
  /** Handlers of the sandboxed types; each runs the real handler in a thread. */
  handlers: HandlerMap;
  readonly running: number;
  readonly waiting: number;
}

/** What one thread needs: it serves one module with one memory limit. */
interface ThreadSettings {
  memoryMb: number;
  threadUrl: URL;
}

interface Waiter extends ThreadSettings {
  start(host: Host): void;
}

/** An idle thread ends after this time. */
const idleMs = 30_000;
/** Waiting jobs occupy the worker's concurrency, which jobs of other types also need. */
const maxWaiting = 20;
const retryMs = 2000;

/** Pool of threads for heavy jobs: created on demand, reused by types of the same module with the same memory limit. */
export function createSandbox({ types, hostUrl, threads, capabilities }: SandboxSettings): Sandbox {
  const hosts = new Set<Host>();
  const idle = new Map<Host, NodeJS.Timeout>();
  const waiting: Waiter[] = [];
  let isClosed = false;

  function take({ memoryMb, threadUrl }: ThreadSettings): Host | undefined {
    const matching = [...idle.keys()].find(
      (host) => host.isAlive && host.memoryMb === memoryMb && host.threadUrl === threadUrl,
    );
    if (matching !== undefined) {
      clearTimeout(idle.get(matching));
      idle.delete(matching);
      return matching;
    }
    const [other] = idle.keys();
    if (hosts.size >= threads && other !== undefined) void drop(other);
    if (hosts.size >= threads) return undefined;
    const host = openHost({ host: hostUrl, thread: threadUrl }, memoryMb, capabilities);
    hosts.add(host);
    return host;
  }

  function drop(host: Host) {
    clearTimeout(idle.get(host));
    idle.delete(host);
    hosts.delete(host);
    return host.kill();
  }

  function acquire(settings: ThreadSettings, signal: AbortSignal): Promise<Host> {
    if (isClosed) throw new Error("The sandbox is closed.");
    const host = take(settings);
    if (host !== undefined) return Promise.resolve(host);
    if (waiting.length >= maxWaiting) {
      throw new RetryAfterError(new Date(Date.now() + retryMs), "All sandbox threads are busy.");
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        waiting.splice(waiting.indexOf(waiter), 1);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        ...settings,
        start(host) {
          signal.removeEventListener("abort", onAbort);
          resolve(host);
        },
      };
      waiting.push(waiter);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  function release(host: Host) {
    if (host.isAlive && !isClosed) {
      idle.set(
        host,
        setTimeout(() => void drop(host), idleMs),
      );
    } else {
      void drop(host);
    }
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const next = take(first);
      if (next === undefined) return;
      waiting.shift();
      first.start(next);
    }
  }

  async function run(
    { type, limits, threadUrl }: SandboxedType,
    data: unknown,
    context: HandlerContext,
  ) {
    const { signal } = context;
    signal.throwIfAborted();
    const host = await acquire({ memoryMb: limits.memoryMb, threadUrl }, signal);
    try {
      return await host.run({ type, limits, data, context });
    } finally {
      release(host);
    }
  }

  const handlers = new Map(
    types.map((sandboxed) => [
      sandboxed.type,
      (data: unknown, context: HandlerContext) => run(sandboxed, data, context),
    ]),
  );

  return {
    handlers,
    get running() {
      return hosts.size - idle.size;
    },
    get waiting() {
      return waiting.length;
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      await Promise.all([...hosts].map(drop));
    },
  };
}
