import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import { type CommandContext, UsageError } from "../command.ts";
import { toJsonLines } from "./json-lines.ts";

/** First bytes of compressed files. No text in a known encoding begins with them. */
const magics: Readonly<Record<"gzip" | "zstd", readonly number[]>> = {
  gzip: [0x1f, 0x8b],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
};
const magicBytes = 4;

function findCompression(head: Uint8Array): "gzip" | "zstd" | undefined {
  const matches = (magic: readonly number[]) => magic.every((byte, at) => head[at] === byte);
  return (["gzip", "zstd"] as const).find((name) => matches(magics[name]));
}

/** Whether the content of a file is compressed. */
export function isCompressed(file: string): boolean {
  const descriptor = openSync(file, "r");
  try {
    const head = new Uint8Array(magicBytes);
    readSync(descriptor, head);
    return findCompression(head) !== undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** Opens a file, or standard input (`-`), as decompressed CSV or NDJSON. A JSON array is converted to NDJSON. */
export function openRows(
  { file, isJson }: { file: string; isJson: boolean },
  { openInput }: Pick<CommandContext, "openInput">,
): AsyncIterable<Uint8Array> {
  const source = file === "-" ? openInput() : createReadStream(file);
  const bytes = decompress(source as AsyncIterable<Uint8Array>);
  return isJson ? toJsonLines(bytes) : bytes;
}

async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const input = source[Symbol.asyncIterator]();
  let head = new Uint8Array();
  while (head.length < magicBytes) {
    const next = await input.next();
    if (next.done === true) break;
    head = new Uint8Array(Buffer.concat([head, next.value]));
  }
  const format = findCompression(head);
  if (format === undefined) {
    yield head;
    yield* { [Symbol.asyncIterator]: () => input };
    return;
  }
  const compressed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(head),
    async pull(controller) {
      const next = await input.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value as Uint8Array<ArrayBuffer>);
    },
    cancel: async () => void (await input.return?.()),
  });
  try {
    yield* compressed.pipeThrough(new DecompressionStream(format as Bun.CompressionFormat));
  } catch (error) {
    throw new UsageError(`the ${format} data is damaged or ends early`, { cause: error });
  }
}
