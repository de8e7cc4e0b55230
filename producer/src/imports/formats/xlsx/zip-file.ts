import { crc32 } from "node:zlib";
import { Inflate } from "fflate";
import { XlsxError, xlsxLimits } from "./xlsx-error.ts";

export interface ZipFile {
  /**
   * Decompresses an entry in slices; upper and lower case of names are equal. Yields nothing if there is no such entry.
   * Throws if the entry is damaged or larger than `maxBytes`.
   */
  read(name: string, maxBytes: number): Generator<Uint8Array, void>;
}

interface Entry {
  isEncrypted: boolean;
  method: number;
  crc: number;
  compressedBytes: number;
  bytes: number;
  /** Offset of the local header. */
  offset: number;
}

/** Compressed bytes that are inflated at once: at most a thousand times as many come out. */
const sliceBytes = 16_384;
const [localHeader, directoryHeader, directoryEnd] = [0x04034b50, 0x02014b50, 0x06054b50];
const [directoryEnd64, locator64] = [0x06064b50, 0x07064b50];
const endBytes = 22;
const maxCommentBytes = 65_535;

/**
 * Opens a ZIP file by its directory, because local headers may lack the sizes. Throws if the directory cannot be read.
 */
export function openZip(zip: Uint8Array): ZipFile {
  const view = new DataView(zip.buffer, zip.byteOffset, zip.length);
  const entries = inView(() => readDirectory(view, zip));

  return {
    *read(name, maxBytes) {
      const entry = entries.get(name.toLowerCase());
      if (entry === undefined) return;
      if (entry.isEncrypted) throw new XlsxError("The file is encrypted.");
      if (entry.method !== 0 && entry.method !== 8) throw damaged();
      const compressed = inView(() => sliceEntry(view, zip, entry));
      let [length, crc] = [0, 0];
      for (const data of entry.method === 0 ? [compressed] : inflate(compressed)) {
        length += data.length;
        if (length > maxBytes) throw new XlsxError(`${name} is larger than ${maxBytes} bytes.`);
        crc = crc32(data, crc);
        yield data;
      }
      if (length !== entry.bytes || crc !== entry.crc) throw damaged();
    },
  };
}

function damaged() {
  return new XlsxError("The file is damaged or ends early.");
}

/** Runs work that reads a view at offsets from the file. */
function inView<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw error instanceof RangeError ? damaged() : error;
  }
}

function readDirectory(view: DataView, zip: Uint8Array): Map<string, Entry> {
  const { count, offset } = readEnd(view);
  if (count > xlsxLimits.zipEntries) {
    throw new XlsxError(`The file has more than ${xlsxLimits.zipEntries} entries.`);
  }
  const decoder = new TextDecoder();
  const entries = new Map<string, Entry>();
  let at = offset;
  for (let index = 0; index < count; index += 1) {
    if (view.getUint32(at, true) !== directoryHeader) throw damaged();
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const read64 = createSizeReader(view, nameEnd, extraEnd);
    const name = decoder.decode(zip.subarray(at + 46, nameEnd)).replaceAll("\\", "/");
    // The order of 64-bit numbers in the extra field: size, compressed size, offset.
    const bytes = read64(view.getUint32(at + 24, true));
    const compressedBytes = read64(view.getUint32(at + 20, true));
    entries.set(name.toLowerCase(), {
      isEncrypted: (view.getUint16(at + 8, true) & 1) === 1,
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      compressedBytes,
      bytes,
      offset: read64(view.getUint32(at + 42, true)),
    });
    at = extraEnd + view.getUint16(at + 32, true);
  }
  return entries;
}

/** Finds the end of the directory, which a comment may follow. */
function readEnd(view: DataView): { count: number; offset: number } {
  const first = Math.max(0, view.byteLength - endBytes - maxCommentBytes);
  for (let at = view.byteLength - endBytes; at >= first; at -= 1) {
    if (view.getUint32(at, true) !== directoryEnd) continue;
    const locator = at - 20;
    if (locator >= 0 && view.getUint32(locator, true) === locator64) {
      const end = Number(view.getBigUint64(locator + 8, true));
      if (view.getUint32(end, true) !== directoryEnd64) throw damaged();
      return {
        count: Number(view.getBigUint64(end + 32, true)),
        offset: Number(view.getBigUint64(end + 48, true)),
      };
    }
    return { count: view.getUint16(at + 10, true), offset: view.getUint32(at + 16, true) };
  }
  throw damaged();
}

const isElsewhere = 0xffffffff;

/** Returns a function that takes the numbers that do not fit into 32 bits from the extra field of an entry, in order. */
function createSizeReader(view: DataView, from: number, to: number): (size: number) => number {
  let at = from;
  while (at + 4 <= to && view.getUint16(at, true) !== 1) at += 4 + view.getUint16(at + 2, true);
  at += 4;
  return (size) => {
    if (size !== isElsewhere) return size;
    if (at + 8 > to) throw damaged();
    at += 8;
    return Number(view.getBigUint64(at - 8, true));
  };
}

function sliceEntry(view: DataView, zip: Uint8Array, { offset, compressedBytes }: Entry) {
  if (view.getUint32(offset, true) !== localHeader) throw damaged();
  const start = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  if (start + compressedBytes > zip.length) throw damaged();
  return zip.subarray(start, start + compressedBytes);
}

function* inflate(compressed: Uint8Array): Generator<Uint8Array, void> {
  let slices: Uint8Array[] = [];
  const inflater = new Inflate((data) => slices.push(data));
  for (let at = 0; at < compressed.length; at += sliceBytes) {
    try {
      const end = at + sliceBytes;
      inflater.push(compressed.subarray(at, end), end >= compressed.length);
    } catch {
      throw damaged();
    }
    yield* slices;
    slices = [];
  }
}
