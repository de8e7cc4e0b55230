import { createHash } from "node:crypto";
import type { Client, CsvPart, ImportPart } from "@toril/client";

export interface SendOptions {
  /** Maximum number of parts that are sent at the same time. */
  parallel: number;
  signal: AbortSignal;
  /** Called for each part that the service has. */
  onPart(part: CsvPart): void;
}

/**
 * Sends the parts that the service does not have yet. Returns the number of parts.
 * @param parts in order of their numbers; at most `parallel` of them are in memory
 */
export async function sendParts(
  client: Client,
  id: string,
  parts: AsyncIterable<CsvPart>,
  { parallel, signal, onPart }: SendOptions,
): Promise<number> {
  const received = await listReceived(client, id, signal);
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  const sending = new Set<Promise<void>>();
  let count = 0;

  function send(part: CsvPart): Promise<void> {
    const sent = client
      .putImportPart(id, part, { signal: stop })
      .then(
        () => onPart(part),
        (error: unknown) => failure.abort(error),
      )
      .finally(() => sending.delete(sent));
    sending.add(sent);
    return sent;
  }

  for await (const part of parts) {
    if (stop.aborted) break;
    count = part.number;
    if (received.get(part.number)?.digest === getDigest(part.bytes)) {
      onPart(part);
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
  client: Client,
  id: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, ImportPart>> {
  const received = new Map<number, ImportPart>();
  let cursor: string | undefined;
  do {
    const page = await client.listImportParts(id, { cursor, limit: 500 }, { signal });
    for (const part of page.items) if (part.status === "received") received.set(part.number, part);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return received;
}

function getDigest(bytes: Uint8Array): string {
  return `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;
}
