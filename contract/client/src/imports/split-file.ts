export type FileSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Consecutive rows of a file. */
export interface FilePart {
  /** From 1. */
  number: number;
  /** First byte in the file. */
  offset: number;
  bytes: Uint8Array<ArrayBuffer>;
}

export interface RowEndScanner {
  /** Tells that bytes were removed from the beginning. */
  forget(count: number): void;
  /**
   * Returns the end of the last row that ends within `maxBytes`, or of the first row if it is longer; at the end of the
   * file the remaining bytes. Returns undefined if more bytes are needed.
   */
  scan(bytes: Uint8Array, maxBytes: number, isEnd: boolean): number | undefined;
}

export interface SplitFileOptions {
  partBytes?: number;
  maxRowBytes?: number;
  /** Ends the message of the error. */
  hint?: string;
}

/** Splits the bytes of a file after rows. Holds one part in memory. Throws if a row is longer than `maxRowBytes`. */
export async function* splitFile(
  source: FileSource,
  scanner: RowEndScanner,
  { partBytes = 4_000_000, maxRowBytes = 8_000_000, hint = "" }: SplitFileOptions,
): AsyncGenerator<FilePart, void> {
  const buffer = createBuffer();
  let number = 0;
  let offset = 0;

  function takePart(length: number): FilePart {
    number += 1;
    const part = { number, offset, bytes: buffer.take(length) };
    offset += length;
    scanner.forget(length);
    return part;
  }

  function toRowError(): Error {
    return new Error(`A row after byte ${offset} is longer than ${maxRowBytes} bytes.${hint}`);
  }

  function* takeFullParts(isEnd: boolean) {
    while (buffer.length > 0) {
      const end = scanner.scan(buffer.bytes, partBytes, isEnd);
      if (end === undefined) {
        if (buffer.length > maxRowBytes) throw toRowError();
        return;
      }
      if (end > maxRowBytes && end > partBytes) throw toRowError();
      yield takePart(end);
    }
  }

  for await (const chunk of source) {
    buffer.add(chunk);
    yield* takeFullParts(false);
  }
  yield* takeFullParts(true);
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
