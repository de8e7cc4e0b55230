import { createCsvDecoder } from "./decoder.ts";
import { CsvError, type CsvOptions, type CsvRecord } from "./row.ts";
import { createCsvRows } from "./rows.ts";
import { nextTurn } from "../../../http/turn.ts";

export { CsvError, type CsvOptions, type CsvRecord };

/**
 * Parsed per turn of the event loop, whatever the size of the body's chunks. Even if all bytes are commas, a slice has
 * 8,192 fields only.
 */
const sliceBytes = 8192;

/**
 * Parses a CSV file with a header lazily, in arrays of at most 500 records. Values are verbatim; blank lines are
 * skipped. Throws CsvError after the records before the fault, or the body's own error.
 */
export async function* readCsv(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: CsvOptions,
): AsyncGenerator<CsvRecord[], void> {
  const decoder = createCsvDecoder(options.charset, options.isContinuation);
  if (decoder === null) {
    throw new CsvError(1, `Unknown charset "${options.charset}". ${hint}`);
  }
  const rows = createCsvRows(options);
  let { onHeader } = options;

  async function announceHeader() {
    if (rows.columns === undefined) return;
    const announce = onHeader;
    onHeader = undefined;
    await announce?.(rows.columns, decoder?.charset ?? "utf-8");
  }

  for await (const chunk of body) {
    for (let at = 0; at < chunk.byteLength; at += sliceBytes) {
      await nextTurn();
      const { text, isBroken } = decoder.decode(chunk.subarray(at, at + sliceBytes));
      if (isBroken) rows.endWithError(text, `The text is not valid ${decoder.charset}. ${hint}`);
      else rows.write(text);
      if (onHeader !== undefined) await announceHeader();
      yield* rows.take();
    }
  }
  const { text, isBroken } = decoder.decode();
  if (isBroken) rows.endWithError(text, "The text ends in the middle of a character.");
  else {
    rows.write(text);
    rows.end();
  }
  if (onHeader !== undefined) await announceHeader();
  yield* rows.take();
}

const hint = "Send the encoding of the file, for example encoding=windows-1252.";
