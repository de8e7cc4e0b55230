import type { IncomingMessage } from "node:http";
import { pipeline, type Readable } from "node:stream";
import { createBrotliDecompress, createGunzip } from "node:zlib";

type ReadBody = { status: "ok"; bytes: Uint8Array } | { status: "refused"; detail: string };

/**
 * Reads a body of at most `maxBytes` after decompression. Rejects when the connection breaks before the end.
 * @param grow called before a chunk is kept; reading pauses until `grow` resolves
 */
export async function readBody(
  response: IncomingMessage,
  maxBytes: number,
  grow: (bytes: number) => Promise<void>,
): Promise<ReadBody> {
  const encoding = response.headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  const stream = decompressed(response, encoding);
  if (!stream)
    return {
      status: "refused",
      detail: `The encoding ${encoding.slice(0, 50)} was not requested.`,
    };
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > maxBytes)
      return { status: "refused", detail: `The body is larger than ${maxBytes} bytes.` };
    await grow(chunk.byteLength);
    chunks.push(chunk);
  }
  return { status: "ok", bytes: Buffer.concat(chunks, size) };
}

function decompressed(response: IncomingMessage, encoding: string): Readable | null {
  if (encoding === "identity" || encoding === "") return response;
  const decoder =
    encoding === "gzip" || encoding === "x-gzip"
      ? createGunzip()
      : encoding === "br"
        ? createBrotliDecompress()
        : null;
  // Iterating the decoder throws the same error as the callback receives.
  return decoder && pipeline(response, decoder, () => {});
}
