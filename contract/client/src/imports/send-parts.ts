import type { ImportPart, ImportPartPage } from "../api-types.ts";
import type { FilePart } from "./split-file.ts";
import type { PageQuery, CallOptions } from "../transport.ts";

export interface PartOptions extends CallOptions {
  /** `text/csv` by default. */
  contentType?: string | undefined;
  /** Compresses the parts with `CompressionStream`. */
  compress?: "gzip" | undefined;
}

export interface SendPartsOptions extends PartOptions {
  /** Maximum number of parts that are sent at the same time; 4 by default. */
  parallel?: number;
  /** Called for each part that the service has. */
  onPart?(part: FilePart): void;
}

interface PartCalls {
  putImportPart(id: string, part: FilePart, options: PartOptions): Promise<ImportPart>;
  listImportParts(id: string, query: PageQuery, options: CallOptions): Promise<ImportPartPage>;
}

/**
 * Sends the parts that the service does not have yet. Returns the number of parts.
 * @param parts in order of their numbers; at most `parallel` of them are in memory
 */
export async function sendParts(
  calls: PartCalls,
  id: string,
  parts: AsyncIterable<FilePart>,
  { parallel = 4, signal, onPart, ...options }: SendPartsOptions,
): Promise<number> {
  const received = await listReceived(calls, id, signal);
  const failure = new AbortController();
  const stop = signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal]);
  const sending = new Set<Promise<void>>();
  let count = 0;

  function send(part: FilePart): Promise<void> {
    const sent = calls
      .putImportPart(id, part, { ...options, signal: stop })
      .then(
        () => onPart?.(part),
        (error: unknown) => failure.abort(error),
      )
      .finally(() => sending.delete(sent));
    sending.add(sent);
    return sent;
  }

  for await (const part of parts) {
    if (stop.aborted) break;
    count = part.number;
    const digest = received.get(part.number)?.digest;
    if (digest !== undefined && digest === (await toContentDigest(part.bytes))) {
      onPart?.(part);
      continue;
    }
    const sent = send(part);
    // The first part has the header, which the service needs for the others.
    if (part.number === 1) await sent;
    else if (sending.size >= parallel) await Promise.race(sending);
  }
  await Promise.all(sending);
  stop.throwIfAborted();
  return count;
}

async function listReceived(
  calls: PartCalls,
  id: string,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<number, ImportPart>> {
  const received = new Map<number, ImportPart>();
  let cursor: string | undefined;
  do {
    const page = await calls.listImportParts(id, { cursor, limit: 500 }, { signal });
    for (const part of page.items) if (part.status === "received") received.set(part.number, part);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return received;
}

/** Returns the digest as in `Content-Digest`; undefined on a page without TLS, whose browser has no `crypto.subtle`. */
export async function toContentDigest(bytes: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) return undefined;
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return `sha-256=:${btoa(String.fromCharCode(...digest))}:`;
}

/** Compresses the body of a part. */
export async function compressBytes(
  bytes: Uint8Array<ArrayBuffer>,
  format: "gzip",
): Promise<Uint8Array<ArrayBuffer>> {
  const compressed = new Blob([bytes]).stream().pipeThrough(new CompressionStream(format));
  return new Uint8Array(await new Response(compressed).arrayBuffer());
}
