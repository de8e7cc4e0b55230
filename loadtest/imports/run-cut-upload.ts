import { createClient, type Import } from "@toril/client";

import { until } from "../../ops/dev/until.ts";
import type { ImportedFile } from "./files.ts";
import { requireAllRows } from "./run-import.ts";
import type { ImportStack } from "./stack.ts";
import { requireSameFile } from "./verify.ts";

/**
 * Sends an NDJSON file in one request that is cut at the given shares of the file and repeated with its Idempotency-Key,
 * at last as a whole, and compares the ledger with the file.
 * @throws if a row is missing, was recorded twice or is not completed
 */
export async function runCutUpload(
  { url, stores, signal }: ImportStack,
  file: ImportedFile,
  cuts: readonly number[],
): Promise<{ imported: Import; acceptedSeconds: number }> {
  const { sql } = stores;
  const idempotencyKey = crypto.randomUUID();
  const contentType = "application/x-ndjson";
  const headers = { "Content-Type": contentType, "Idempotency-Key": idempotencyKey };
  const getLast = async () => {
    const [row] = (await sql`
      select read, status from imports order by created_at desc limit 1`) as {
      read: number;
      status: string;
    }[];
    return row ?? { read: 0, status: "" };
  };
  const isKeyFree = async () => {
    const [row] = (await sql`select owner from idempotency_keys where key = ${idempotencyKey}`) as {
      owner: string | null;
    }[];
    return row?.owner === null ? (true as const) : undefined;
  };
  const wait = (what: string, probe: () => Promise<true | undefined>) =>
    until(what, probe, { timeoutMs: 60_000, everyMs: 20, signal });

  const startedAt = performance.now();
  for (const cut of cuts) {
    const request = new AbortController();
    const sent = file.bytes.subarray(0, Math.floor(file.bytes.length * cut));
    // The stream stays open: the service waits for the rest.
    const body = new ReadableStream<Uint8Array>({ start: (stream) => stream.enqueue(sent) });
    const response = fetch(`${url}/v1/imports?type=row.import`, {
      method: "POST",
      headers,
      body,
      signal: request.signal,
    });
    let refused: Error | undefined;
    response.then(
      async (early) => (refused = new Error(await early.text())),
      () => {},
    );
    // The last chunk before the cut is not full.
    const rows = Math.floor(file.rows * cut * 0.9);
    await wait("the rows before the cut are recorded", async () => {
      if (refused !== undefined) throw refused;
      return (await getLast()).read >= rows ? true : undefined;
    });
    request.abort();
    await wait("the key is free", isKeyFree);
  }
  const client = createClient({ baseUrl: url });
  const { id } = await client.createImport(
    new Blob([file.bytes]),
    { type: "row.import", contentType },
    { idempotencyKey, signal },
  );
  const acceptedSeconds = (performance.now() - startedAt) / 1000;
  const findDone = async () => {
    const found = await client.getImport(id, { signal });
    return found.status === "running" ? undefined : found;
  };
  const imported = await until("all jobs are done", findDone, { timeoutMs: 600_000, signal });
  requireAllRows(imported, file.rows);
  await requireSameFile(sql, id, file);
  return { imported, acceptedSeconds };
}
