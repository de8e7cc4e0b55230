import { Worker } from "node:worker_threads";
import { ProblemError } from "../../../http/problem.ts";
import type { SheetRow } from "./read-sheet.ts";
import { XlsxError } from "./xlsx-error.ts";

export interface XlsxParser extends AsyncDisposable {
  /** Throws a problem if no further workbook can be read now. */
  requireCapacity(): void;
  /** Reads the rows of a sheet lazily, by default of the first one. Throws XlsxError if the workbook cannot be read. */
  read(bytes: Uint8Array, sheet: string | undefined): AsyncGenerator<SheetRow[], void>;
}

/** Begins a workbook, or asks for the next page. */
export type ToXlsxThread = { bytes: Uint8Array; sheet: string | undefined } | "next";

/** `page` is a JSON array of rows. */
export type FromXlsxThread =
  | { status: "page"; page: Uint8Array<ArrayBuffer> }
  | { status: "end" }
  | { status: "invalid"; row: number; detail: string };

/** Each thread holds a workbook and its texts. */
const maxThreads = 2;
/** Timeout of a page, after which the thread is terminated; the first page includes the texts of the workbook. */
const pageMs = 60_000;
const memoryMb = 512;
/** The thread's file is next to this module; in an image both are bundled. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const threadUrl = new URL(`./xlsx-thread${extension}`, import.meta.url);

/**
 * Creates a parser that reads each workbook in a worker thread without environment variables. Bun ignores the memory
 * limit of the thread; the limits of workbooks apply there.
 */
export function createXlsxParser(): XlsxParser {
  const threads = new Set<Worker>();
  const closing = new AbortController();

  function requireCapacity(): void {
    if (threads.size < maxThreads) return;
    throw new ProblemError("at-capacity", "Other workbooks are being read. Try again.");
  }

  function open(): Worker {
    requireCapacity();
    const worker = new Worker(threadUrl, {
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    });
    threads.add(worker);
    // Without a listener, an error between two pages would crash the process.
    return worker.on("error", () => {});
  }

  return {
    requireCapacity,
    async *read(bytes, sheet) {
      closing.signal.throwIfAborted();
      const worker = open();
      const decoder = new TextDecoder();
      try {
        let answer = await ask(worker, { bytes, sheet }, closing.signal);
        while (answer.status === "page") {
          yield JSON.parse(decoder.decode(answer.page)) as SheetRow[];
          answer = await ask(worker, "next", closing.signal);
        }
        if (answer.status === "invalid") throw new XlsxError(answer.detail, answer.row);
      } finally {
        await worker.terminate();
        threads.delete(worker);
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new ProblemError("at-capacity"));
      await Promise.all([...threads].map((worker) => worker.terminate()));
    },
  };
}

async function ask(
  worker: Worker,
  message: ToXlsxThread,
  signal: AbortSignal,
): Promise<FromXlsxThread> {
  signal.throwIfAborted();
  const answer = Promise.withResolvers<FromXlsxThread>();
  const onExit = () => answer.reject(new XlsxError("The workbook needs too much memory to read."));
  const onAbort = () => answer.reject(signal.reason);
  const onLate = () => answer.reject(new XlsxError("The workbook takes too long to read."));
  const late = setTimeout(onLate, pageMs);
  worker.on("message", answer.resolve).on("error", answer.reject).on("exit", onExit);
  signal.addEventListener("abort", onAbort);
  try {
    worker.postMessage(message);
    return await answer.promise;
  } finally {
    clearTimeout(late);
    signal.removeEventListener("abort", onAbort);
    worker.off("message", answer.resolve).off("error", answer.reject).off("exit", onExit);
  }
}
