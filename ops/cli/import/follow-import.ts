import { type Client, type Import, TorilError } from "@toril/client";
import type { ImportProgress } from "./import-progress.ts";

const pollMs = 500;

/** Polls an import until it has another status. */
export async function waitWhile(
  client: Client,
  imported: Import,
  statuses: readonly Import["status"][],
  signal: AbortSignal,
): Promise<Import> {
  let snapshot = imported;
  while (statuses.includes(snapshot.status)) {
    await pause(signal);
    snapshot = await client.getImport(imported.id, { signal });
  }
  return snapshot;
}

/** Shows the progress until the signal is aborted. */
export async function watchImport(
  client: Client,
  id: string,
  progress: ImportProgress,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      const snapshot = await findImport(client, id, signal);
      if (snapshot !== undefined) progress.show(snapshot);
      await pause(signal);
    }
  } catch {
    // Aborted, or the service is unavailable: then sending the file fails with the reason.
  }
}

/** Returns undefined before a file that is sent as one request has arrived. */
async function findImport(client: Client, id: string, signal: AbortSignal) {
  try {
    return await client.getImport(id, { signal });
  } catch (error) {
    if (error instanceof TorilError && error.problem.status === 404) return undefined;
    throw error;
  }
}

/** Waits until the next poll. Rejects with the reason of the signal on abort. */
export function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, pollMs);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
