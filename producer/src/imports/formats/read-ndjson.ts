import { findStart, parseJson } from "@toril/contract/api/json/json";
import { limits } from "@toril/contract/api/limits";
import { nextTurn } from "../../http/turn.ts";
import { InvalidFileError } from "../import-errors.ts";
import { type ObjectRecord, recordsPerTurn, toObjectRecord } from "./object-record.ts";

/** Parsed per turn of the event loop, whatever the size of the body's chunks. */
const sliceBytes = 16_384;
const lineFeed = 0x0a;

/**
 * Parses NDJSON lazily. Blank lines are skipped; a line that is no storable object is a bad record. Throws
 * InvalidFileError at a line longer than the limit, after the records before, or the body's own error.
 */
export async function* readNdjson(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<ObjectRecord[], void> {
  let line = 0;
  /** The slices of the incomplete line. */
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;

  function addPending(bytes: Uint8Array): void {
    pending.push(bytes);
    pendingBytes += bytes.length;
  }

  function endLine(records: ObjectRecord[]): void {
    const bytes = pending.length === 1 ? (pending[0] as Uint8Array) : Buffer.concat(pending);
    pending = [];
    pendingBytes = 0;
    line += 1;
    const text = line === 1 ? bytes.subarray(findStart(bytes)) : bytes;
    if (!isBlank(text)) records.push(toObjectRecord(parseJson(text), text, line));
  }

  for await (const chunk of body) {
    for (let start = 0; start < chunk.length; start += sliceBytes) {
      await nextTurn();
      const slice = chunk.subarray(start, start + sliceBytes);
      const records: ObjectRecord[] = [];
      let from = 0;
      let end = slice.indexOf(lineFeed);
      while (end !== -1 && pendingBytes + end - from <= limits.dataBytes) {
        addPending(slice.subarray(from, end));
        endLine(records);
        if (records.length === recordsPerTurn) {
          yield records.splice(0);
          await nextTurn();
        }
        from = end + 1;
        end = slice.indexOf(lineFeed, from);
      }
      // A copy: the chunk may be large or reused.
      if (from < slice.length) addPending(slice.slice(from));
      if (records.length > 0) yield records;
      if (pendingBytes > limits.dataBytes) {
        const detail = `The line is longer than ${limits.dataBytes} bytes.`;
        throw new InvalidFileError("invalid-json", line + 1, detail);
      }
    }
  }
  const records: ObjectRecord[] = [];
  if (pendingBytes > 0) endLine(records);
  if (records.length > 0) yield records;
}

/** Whether the line has white space only, as JSON defines it. */
function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
}
