import { type FilePart, type FileSource, type RowEndScanner, splitFile } from "./split-file.ts";

export interface SplitNdjsonOptions {
  /** Maximum size of a part, unless a single line is larger; 4,000,000 by default. */
  partBytes?: number;
  /** Maximum size of a line; 8,000,000 by default. */
  maxRowBytes?: number;
}

const lineFeed = 0x0a;

/** Splits the bytes of an NDJSON file between lines. Holds one part in memory. Throws if a line is longer than `maxRowBytes`. */
export function splitNdjson(
  source: FileSource,
  options: SplitNdjsonOptions = {},
): AsyncGenerator<FilePart, void> {
  return splitFile(source, createLineEndScanner(), options);
}

function createLineEndScanner(): RowEndScanner {
  /** The first byte that was not searched. */
  let searched = 0;
  return {
    forget(count) {
      searched = Math.max(0, searched - count);
    },
    scan(bytes, maxBytes, isEnd) {
      if (bytes.length <= maxBytes) return isEnd ? bytes.length : undefined;
      const last = bytes.lastIndexOf(lineFeed, maxBytes - 1);
      if (last !== -1) return last + 1;
      const next = bytes.indexOf(lineFeed, Math.max(maxBytes, searched));
      searched = next === -1 ? bytes.length : next;
      if (next !== -1) return next + 1;
      return isEnd ? bytes.length : undefined;
    },
  };
}
