import { createCsvDecoder } from "./csv/decoder.ts";
import { CsvError, type CsvOptions, type CsvRecord } from "./csv/record.ts";
import { createCsvRows } from "./csv/rows.ts";

export { CsvError, type CsvOptions, type CsvRecord };

/** Bounds what is parsed before the consumer asks again, however large the chunks of the body are. */
const sliceBytes = 65_536;

/**
 * Reads a CSV file with a header as far as the consumer asks, in arrays of at most 500 records. Values are the file's
 * characters, verbatim; blank lines are skipped. Throws CsvError after the records before the fault, or what the body throws.
 */
export async function* readCsv(
  body: ReadableStream<Uint8Array>,
  options: CsvOptions,
): AsyncGenerator<CsvRecord[], void> {
  const decode = createCsvDecoder(options.charset);
  if (decode === null) throw new CsvError(1, `The charset "${options.charset}" is not known.`);
  const rows = createCsvRows(options);
  try {
    for await (const chunk of body) {
      for (let at = 0; at < chunk.byteLength; at += sliceBytes) {
        const { text, isBroken } = decode(chunk.subarray(at, at + sliceBytes));
        if (isBroken) await rows.breakOff(text, `The text is not ${options.charset ?? "UTF-8"}.`);
        else await rows.write(text);
        yield* rows.take();
      }
    }
    if (decode().isBroken) await rows.breakOff("", "The text ends in the middle of a character.");
    else await rows.end();
    yield* rows.take();
  } finally {
    rows.close();
  }
}
