import { type FilePart, type FileSource, type RowEndScanner, splitFile } from "./split-file.ts";

export interface SplitCsvOptions {
  /** Maximum size of a part, unless a single row is larger; 4,000,000 by default. */
  partBytes?: number;
  /** One character, or its name as the API takes it; a comma by default. */
  delimiter?: string;
  /** Label of the encoding. Only UTF-16 matters, because its characters have two bytes; a byte order mark takes precedence. */
  encoding?: string;
  /** Maximum size of a row; 8,000,000 by default. */
  maxRowBytes?: number;
}

const [quote, lineFeed, carriageReturn] = [0x22, 0x0a, 0x0d];
const delimiterNames: Partial<Record<string, string>> = {
  comma: ",",
  semicolon: ";",
  tab: "\t",
  pipe: "|",
  space: " ",
};

/**
 * Splits the bytes of a CSV file between rows, as the service reads rows: a line break within quotes ends no row. For
 * UTF-8, UTF-16 and encodings whose characters have one byte. Holds one part in memory. Throws if a row is longer than
 * `maxRowBytes`, as when a quote is not closed.
 */
export function splitCsv(
  source: FileSource,
  options: SplitCsvOptions = {},
): AsyncGenerator<FilePart, void> {
  return splitFile(source, createRowEndScanner(options), {
    ...options,
    hint: " Is a quote not closed?",
  });
}

/** Finds the ends of rows, as the parser of the service does. */
function createRowEndScanner({
  delimiter = "comma",
  encoding = "",
}: SplitCsvOptions): RowEndScanner {
  const delimiterCode = (delimiterNames[delimiter] ?? delimiter).charCodeAt(0);
  let width: 1 | 2 | undefined;
  let isLittleEndian = true;
  /** The next byte to scan, and the end of the last complete row. */
  let at = 0;
  let rowEnd = 0;
  let isInQuotes = false;
  /** The character before `at`: one that begins a row counts as following a delimiter. */
  let isFieldStart = true;

  function detectEncoding([first, second]: Uint8Array) {
    const isMarked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
    const label = encoding.toLowerCase();
    width = isMarked || /^utf-?16(le|be)?$/.test(label) ? 2 : 1;
    const isBigEndian = isMarked ? first === 0xfe : label.endsWith("be") || first === 0;
    isLittleEndian = !isBigEndian;
    const isUtf8Marked = first === 0xef && second === 0xbb;
    at = isMarked ? 2 : isUtf8Marked ? 3 : 0;
  }

  return {
    forget(count: number) {
      at -= count;
      rowEnd -= count;
    },
    scan(bytes, maxBytes, isEnd) {
      if (width === undefined) {
        if (bytes.length < 3 && !isEnd) return undefined;
        detectEncoding(bytes);
      }
      const size = width ?? 1;
      const read = (from: number) => {
        if (size === 1) return bytes[from];
        if (from + 1 >= bytes.length) return undefined;
        const [low = 0, high = 0] = isLittleEndian
          ? [bytes[from], bytes[from + 1]]
          : [bytes[from + 1], bytes[from]];
        return low + high * 256;
      };
      while (rowEnd <= maxBytes && !(rowEnd > 0 && at > maxBytes)) {
        const code = read(at);
        // What a quote or a carriage return means depends on the next character.
        const next = code === quote || code === carriageReturn ? read(at + size) : 0;
        if (code === undefined || (next === undefined && !isEnd)) break;
        at += size;
        if (isInQuotes) {
          if (code !== quote) continue;
          if (next === quote) at += size;
          else {
            isInQuotes = false;
            isFieldStart = false;
          }
        } else if (code === lineFeed || code === carriageReturn) {
          if (code === carriageReturn && next === lineFeed) at += size;
          rowEnd = at;
          isFieldStart = true;
        } else {
          isInQuotes = code === quote && isFieldStart;
          isFieldStart = code === delimiterCode;
        }
      }
      const isFull = rowEnd > maxBytes || (rowEnd > 0 && at > maxBytes);
      if (isFull) return rowEnd;
      if (!isEnd) return undefined;
      return bytes.length <= maxBytes || rowEnd === 0 ? bytes.length : rowEnd;
    },
  };
}
