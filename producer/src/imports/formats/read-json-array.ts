import { findStart, parseScanned } from "@toril/contract/api/json/json";
import { beginScan, scanJson } from "@toril/contract/api/json/json-scan";
import { limits } from "@toril/contract/api/limits";
import { nextTurn } from "../../http/turn.ts";
import { InvalidFileError } from "../import-errors.ts";
import { type ObjectRecord, recordsPerTurn, toObjectRecord } from "./object-record.ts";

/** Parsed per turn of the event loop, whatever the size of the body's chunks. */
const sliceBytes = 16_384;
const [lineFeed, comma, openBracket, closeBracket, openBrace] = [0x0a, 0x2c, 0x5b, 0x5d, 0x7b];

/**
 * Parses an array of objects lazily, element by element. An element that is no storable object is a bad record. Throws
 * InvalidFileError, after the records before, where the file is no array or ends early, or at an element longer than the
 * limit, or the body's own error.
 */
export async function* readJsonArray(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<ObjectRecord[], void> {
  const elements = createElements();
  for await (const chunk of withoutMark(body)) {
    for (let start = 0; start < chunk.length; start += sliceBytes) {
      const slice = chunk.subarray(start, start + sliceBytes);
      for (let at = 0; at < slice.length;) {
        await nextTurn();
        at = elements.add(slice, at);
        yield* elements.take();
      }
    }
  }
  elements.end();
  yield* elements.take();
}

/** Splits bytes that arrive in parts into the elements of an array. */
function createElements() {
  let state: "before" | "within" | "after" = "before";
  let records: ObjectRecord[] = [];
  let fault: InvalidFileError | undefined;
  let line = 1;
  let isFirst = true;
  /** The slices of the incomplete element, and the scan of them: its offset is that of the next slice. */
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let scan = beginScan(0);

  function fail(detail: string): void {
    fault ??= new InvalidFileError("invalid-json", line, detail);
  }

  function addPending(bytes: Uint8Array): void {
    if (bytes.length > 0) pending.push(bytes);
    pendingBytes += bytes.length;
    if (pendingBytes > limits.dataBytes) {
      fail(`The element is longer than ${limits.dataBytes} bytes.`);
    }
  }

  function endElement(isLast: boolean): void {
    const bytes = pending.length === 1 ? (pending[0] as Uint8Array) : Buffer.concat(pending);
    // An empty array, but no comma after the last element.
    if (bytes.length > 0 || !isLast || !isFirst) {
      records.push(toObjectRecord(parseScanned(bytes, scan), bytes, line));
    }
    line += countLines(bytes);
    pending = [];
    pendingBytes = 0;
    isFirst = false;
  }

  function open(slice: Uint8Array): number {
    const { skipped, rest } = skipSpace(slice);
    line += countLines(skipped);
    if (rest.length === 0) return slice.length;
    if (rest[0] !== openBracket) {
      const hint =
        rest[0] === openBrace ? " For an object per line send application/x-ndjson." : "";
      fail(`The file must be an array of objects.${hint}`);
      return slice.length;
    }
    state = "within";
    return skipped.length + 1;
  }

  /** Reads the element that begins or continues at an offset. Returns where the next one begins. */
  function readElement(slice: Uint8Array, from: number): number {
    scan.at += from;
    const isComplete = scanJson(scan, slice, slice.length);
    const end = isComplete ? scan.at : slice.length;
    const { skipped, rest } = skipSpace(slice.subarray(from, end), pendingBytes > 0);
    line += countLines(skipped);
    // A copy: the chunk may be large or reused.
    addPending(isComplete ? rest : rest.slice());
    if (!isComplete) {
      // An escape sequence may continue in the next slice.
      scan.at -= slice.length;
      return slice.length;
    }
    const isLast = slice[end] !== comma;
    if (isLast && slice[end] !== closeBracket) fail("The text is not valid JSON.");
    if (fault !== undefined) return slice.length;
    endElement(isLast);
    scan = beginScan(0);
    if (isLast) state = "after";
    return end + 1;
  }

  return {
    /** Reads some elements of a slice, from an offset. Returns the offset of the next element. */
    add(slice: Uint8Array, from: number): number {
      let at = state === "before" ? open(slice) : from;
      while (state === "within" && at < slice.length) {
        if (records.length === recordsPerTurn) return at;
        at = readElement(slice, at);
      }
      if (state === "after" && skipSpace(slice.subarray(at)).rest.length > 0) {
        fail("Text follows the array.");
      }
      return slice.length;
    },
    end(): void {
      if (state === "before") fail("The file is empty: it must be an array of objects.");
      if (state === "within") fail("The file ends within the array.");
    },
    /** Yields the records read since the last call, then throws the fault of the file. */
    *take(): Generator<ObjectRecord[], void> {
      const taken = records;
      records = [];
      if (taken.length > 0) yield taken;
      if (fault !== undefined) throw fault;
    },
  };
}

/** Removes a byte order mark. */
async function* withoutMark(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
  let head: Uint8Array | undefined = new Uint8Array();
  for await (const chunk of body) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < 3) continue;
    yield head.subarray(findStart(head));
    head = undefined;
  }
  if (head !== undefined) yield head;
}

/** @param isWithin whether the bytes continue an element, so that none are skipped */
function skipSpace(bytes: Uint8Array, isWithin = false) {
  if (isWithin) return { skipped: bytes.subarray(0, 0), rest: bytes };
  let at = 0;
  while (isSpace(bytes[at])) at += 1;
  return { skipped: bytes.subarray(0, at), rest: bytes.subarray(at) };
}

/** White space as JSON defines it. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === lineFeed || byte === 0x0d || byte === 0x09;
}

function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(lineFeed); at !== -1; at = bytes.indexOf(lineFeed, at + 1)) {
    count += 1;
  }
  return count;
}
