import { Unzip, UnzipInflate } from "fflate";
import { XlsxError } from "./xlsx-error.ts";

/** Compressed bytes that are inflated at once: at most a thousand times as many come out. */
const sliceBytes = 16_384;

/**
 * Decompresses one entry of a ZIP file in slices. Yields nothing if there is no such entry. Throws if the entry is damaged
 * or larger than `maxBytes`.
 */
export function* readZipEntry(
  zip: Uint8Array,
  name: string,
  maxBytes: number,
): Generator<Uint8Array, void> {
  const entry = { slices: [] as Uint8Array[], length: 0, isFound: false, isEnded: false };
  const unzip = new Unzip((file) => {
    if (entry.isFound || file.name !== name) return;
    entry.isFound = true;
    file.ondata = (error, data, isFinal) => {
      if (error !== null) throw error;
      entry.length += data.length;
      if (entry.length > maxBytes) throw new XlsxError(`${name} is larger than ${maxBytes} bytes.`);
      entry.slices.push(data);
      entry.isEnded = isFinal;
    };
    file.start();
  });
  unzip.register(UnzipInflate);
  for (let at = 0; at < zip.length && !entry.isEnded; at += sliceBytes) {
    try {
      unzip.push(zip.subarray(at, at + sliceBytes), at + sliceBytes >= zip.length);
    } catch (error) {
      throw error instanceof XlsxError
        ? error
        : new XlsxError("The file is damaged or ends early.");
    }
    yield* entry.slices.splice(0);
  }
  if (entry.isFound && !entry.isEnded) throw new XlsxError("The file is damaged or ends early.");
}
