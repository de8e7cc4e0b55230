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

/** Consecutive rows of a file. */
export interface CsvPart {
  /** From 1. */
  number: number;
  /** First byte in the file. */
  offset: number;
  bytes: Uint8Array<ArrayBuffer>;
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
export async function* splitCsv(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: SplitCsvOptions = {},
): AsyncGenerator<CsvPart, void> {
  const { partBytes = 4_000_000, maxRowBytes = 8_000_000 } = options;
  const buffer = createBuffer();
  const scanner = createRowEndScanner(options);
  let number = 0;
  let offset = 0;

  function takePart(length: number): CsvPart {
    number += 1;
    const part = { number, offset, bytes: buffer.take(length) };
    offset += length;
    scanner.forget(length);
    return part;
  }

  function* takeFullParts(isEnd: boolean) {
    while (buffer.length > 0) {
      const end = scanner.scan(buffer.bytes, partBytes, isEnd);
      if (end === undefined) {
        if (buffer.length > maxRowBytes) throw toRowError(offset, maxRowBytes);
        return;
      }
      if (end > maxRowBytes && end > partBytes) throw toRowError(offset, maxRowBytes);
      yield takePart(end);
    }
  }

  for await (const chunk of source) {
    buffer.add(chunk);
    yield* takeFullParts(false);
  }
  yield* takeFullParts(true);
}

function toRowError(offset: number, maxRowBytes: number): Error {
  return new Error(
    `A row after byte ${offset} is longer than ${maxRowBytes} bytes. Is a quote not closed?`,
  );
}

/** Bytes that grow at the end and are taken from the beginning. */
function createBuffer() {
  let space = new Uint8Array(65_536);
  let length = 0;
  return {
    get length() {
      return length;
    },
    get bytes() {
      return space.subarray(0, length);
    },
    add(chunk: Uint8Array) {
      if (length + chunk.length > space.length) {
        const larger = new Uint8Array(Math.max(space.length * 2, length + chunk.length));
        larger.set(space.subarray(0, length));
        space = larger;
      }
      space.set(chunk, length);
      length += chunk.length;
    },
    take(count: number): Uint8Array<ArrayBuffer> {
      const taken = space.slice(0, count);
      space.copyWithin(0, count, length);
      length -= count;
      return taken;
    },
  };
}

/** Finds the ends of rows, as the parser of the service does. */
function createRowEndScanner({ delimiter = "comma", encoding = "" }: SplitCsvOptions) {
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
    /** Tells that bytes were removed from the beginning. */
    forget(count: number) {
      at -= count;
      rowEnd -= count;
    },
    /**
     * Returns the end of the last row that ends within `maxBytes`, or of the first row if it is longer; at the end of the
     * file the remaining bytes. Returns undefined if more bytes are needed.
     */
    scan(bytes: Uint8Array, maxBytes: number, isEnd: boolean): number | undefined {
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
