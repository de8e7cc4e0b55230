import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { FeedItem } from "../../api/feeds/feed-item.ts";
import { feedLimits } from "../../api/limits.ts";
import type { FeedOptions } from "./parse-feed.ts";
import type { FeedFormat } from "./read-feed.ts";

export type PagedFeed =
  | {
      status: "ok";
      format: FeedFormat;
      title: string | null;
      /** Some hundred items per page; can be iterated once. The event loop runs between two pages. */
      pages: AsyncIterable<FeedItem[]>;
    }
  | { status: "invalid"; detail: string };

export interface FeedParser extends AsyncDisposable {
  /** @throws the reason of `signal` if it aborts before the feed is parsed */
  parse(bytes: Uint8Array, options: FeedOptions, signal?: AbortSignal): Promise<PagedFeed>;
}

export interface ToFeedThread {
  bytes: Uint8Array;
  options: FeedOptions;
}

/** Each of `pages` is a JSON array of items. */
export type FromFeedThread =
  | { status: "ok"; format: FeedFormat; title: string | null; pages: Uint8Array<ArrayBuffer>[] }
  | { status: "invalid"; detail: string };

interface Waiter {
  size: number;
  start(): void;
}

/** Idle timeout, after which the thread is terminated to free its memory. */
const idleMs = 10_000;
const memoryMb = 256;
/** The thread's file is next to this module; in an image both are bundled. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const threadUrl = new URL(`./feed-thread${extension}`, import.meta.url);

/**
 * Creates a parser that parses feeds in one worker thread, on Node, Bun and Deno. Feeds are parsed one at a time, the
 * smallest first, so that a large feed delays others at most by its own parsing time.
 * @param parseMs timeout of one feed; on timeout the thread is terminated
 */
export function createFeedParser(parseMs: number = feedLimits.parseMs): FeedParser {
  const waiting: Waiter[] = [];
  const closing = new AbortController();
  let thread: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let isBusy = false;

  function next() {
    if (isBusy || closing.signal.aborted) return;
    const smallest = waiting.toSorted((a, b) => a.size - b.size)[0];
    if (smallest === undefined) {
      idle = setTimeout(() => void end(), idleMs);
      return;
    }
    waiting.splice(waiting.indexOf(smallest), 1);
    smallest.start();
  }

  async function end() {
    clearTimeout(idle);
    const ended = thread;
    thread = undefined;
    await ended?.terminate();
  }

  function turn(size: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        waiting.splice(waiting.indexOf(waiter), 1);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        size,
        start() {
          signal.removeEventListener("abort", onAbort);
          isBusy = true;
          clearTimeout(idle);
          resolve();
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      waiting.push(waiter);
      clearTimeout(idle);
      next();
    });
  }

  async function run(message: ToFeedThread, signal: AbortSignal): Promise<FromFeedThread> {
    const worker = (thread ??= openThread(() => (thread = undefined)));
    const answer = Promise.withResolvers<FromFeedThread>();
    const onExit = (code: number) => answer.reject(new Error(`The feed thread exited: ${code}.`));
    const onAbort = () => answer.reject(signal.reason);
    const late = setTimeout(() => answer.resolve(tooSlow), parseMs);
    worker.on("message", answer.resolve).on("error", answer.reject).on("exit", onExit);
    signal.addEventListener("abort", onAbort);
    let isDone = false;
    try {
      worker.postMessage(message);
      const parsed = await answer.promise;
      isDone = parsed !== tooSlow;
      return parsed;
    } catch (error) {
      if (isOutOfMemory(error)) return tooLarge;
      throw error;
    } finally {
      clearTimeout(late);
      signal.removeEventListener("abort", onAbort);
      worker.off("message", answer.resolve).off("error", answer.reject).off("exit", onExit);
      if (!isDone) await end();
    }
  }

  return {
    async parse(bytes, options, callerSignal) {
      const signal = callerSignal
        ? AbortSignal.any([callerSignal, closing.signal])
        : closing.signal;
      signal.throwIfAborted();
      await turn(bytes.length, signal);
      try {
        // The signal may have aborted while it had no listener.
        signal.throwIfAborted();
        const parsed = await run({ bytes, options }, signal);
        if (parsed.status === "invalid") return parsed;
        const { status, format, title, pages } = parsed;
        return { status, format, title, pages: readPages(pages) };
      } finally {
        isBusy = false;
        next();
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new Error("The feed parser is closed."));
      await end();
    },
  };
}

/** Starts a thread without environment variables. Bun and Deno ignore the memory limit; the feed limits apply there. */
function openThread(onEnd: () => void): Worker {
  const worker = new Worker(threadUrl, {
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: memoryMb },
  });
  // Without a listener, an error between two feeds would crash the process.
  return worker.on("error", onEnd);
}

const tooSlow: FromFeedThread = {
  status: "invalid",
  detail: "The feed takes too long to parse.",
};
const tooLarge: FromFeedThread = {
  status: "invalid",
  detail: "The feed needs too much memory to parse.",
};

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
}

async function* readPages(pages: Uint8Array[]): AsyncGenerator<FeedItem[]> {
  const decoder = new TextDecoder();
  for (let page = pages.shift(); page !== undefined; page = pages.shift()) {
    await setImmediate();
    yield JSON.parse(decoder.decode(page));
  }
}
