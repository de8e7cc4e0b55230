import { parentPort } from "node:worker_threads";
import { readSheet, type SheetRow } from "./read-sheet.ts";
import { XlsxError } from "./xlsx-error.ts";
import type { FromXlsxThread, ToXlsxThread } from "./xlsx-parser.ts";

/** Maximum size of a page, so that the receiver parses a page in a few milliseconds. */
const pageRows = 500;
const pageLength = 500_000;

/** Sends one page of rows per request, so that the thread is never ahead of the import. */
function serve(port: NonNullable<typeof parentPort>): void {
  const encoder = new TextEncoder();
  let pages: Generator<string, void> | undefined;

  function next(message: ToXlsxThread): FromXlsxThread {
    try {
      if (message !== "next") pages = toPages(readSheet(message.bytes, message.sheet));
      const page = pages?.next();
      return page === undefined || page.done === true
        ? { status: "end" }
        : { status: "page", page: encoder.encode(page.value) };
    } catch (error) {
      if (error instanceof XlsxError) {
        return { status: "invalid", row: error.row, detail: error.message };
      }
      const detail = error instanceof Error ? error.message : String(error);
      return { status: "invalid", row: 0, detail: `The workbook cannot be read: ${detail}.` };
    }
  }

  port.on("message", (message: ToXlsxThread) => {
    const answer = next(message);
    port.postMessage(answer, answer.status === "page" ? [answer.page.buffer] : []);
  });
}

/** Yields JSON arrays of rows. */
function* toPages(rows: Iterable<SheetRow[]>): Generator<string, void> {
  let page: string[] = [];
  let length = 0;
  for (const some of rows) {
    for (const row of some) {
      const text = JSON.stringify(row);
      page.push(text);
      length += text.length;
      if (page.length < pageRows && length < pageLength) continue;
      yield `[${page.join(",")}]`;
      page = [];
      length = 0;
    }
  }
  if (page.length > 0) yield `[${page.join(",")}]`;
}

if (parentPort !== null) serve(parentPort);
