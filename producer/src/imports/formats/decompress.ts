import type { ProblemKind } from "@toril/contract/api/problem";
import { isDisconnected } from "../../http/body.ts";
import { ProblemError } from "../../http/problem.ts";
import { InvalidFileError } from "../import-errors.ts";

/** Content-Encodings and their formats. */
const formats = { gzip: "gzip", "x-gzip": "gzip", zstd: "zstd" } as const;

/**
 * Decompresses a body as a stream, with memory for one block. Throws a problem if the Content-Encoding is unknown. The
 * stream fails with InvalidFileError (`problem`) if the body is damaged or ends early, and with the body's own error if
 * the client disconnects.
 */
export function decompress(
  body: ReadableStream<Uint8Array>,
  contentEncoding: string | null,
  problem: ProblemKind,
): ReadableStream<Uint8Array> {
  const encoding = contentEncoding?.trim().toLowerCase() ?? "identity";
  if (encoding === "identity") return body;
  const format = (formats as Partial<Record<string, Bun.CompressionFormat>>)[encoding];
  if (format === undefined) {
    throw new ProblemError(
      "unsupported-media-type",
      "The Content-Encoding must be gzip, zstd or identity.",
    );
  }
  const reader = body.pipeThrough(new DecompressionStream(format)).getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        const damaged = `The ${format} data is damaged or ends early.`;
        controller.error(isDisconnected(error) ? error : new InvalidFileError(problem, 0, damaged));
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

/** Compressed bytes that are decompressed at once. */
const sliceBytes = 16_384;

/** Decompresses a body that was read. Throws as `decompress` does, and a problem if the result is larger than `maxBytes`. */
export async function decompressBytes(
  body: Uint8Array,
  contentEncoding: string | null,
  {
    problem,
    maxBytes,
    takeMemory,
  }: { problem: ProblemKind; maxBytes: number; takeMemory(bytes: number): void },
): Promise<Uint8Array> {
  let at = 0;
  const slices = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(body.subarray(at, at + sliceBytes));
      at += sliceBytes;
      if (at >= body.length) controller.close();
    },
  });
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of decompress(slices, contentEncoding, problem)) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new ProblemError("body-too-large", `At most ${maxBytes} bytes, decompressed.`);
    }
    takeMemory(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
