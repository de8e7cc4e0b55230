import type { Accepted } from "@toril/contract/engine/jobs/enqueue/insert-entries";
import type { ImportError } from "@toril/contract/api/import";
import type { ImportColumns } from "@toril/contract/engine/postgres/tables";
import { limits } from "@toril/contract/api/job";
import type { Chunk } from "./import-chunk.ts";

/** Progress of an import. Only the producer that reads the body writes these columns, so it writes totals. */
export type ImportProgress = Pick<
  ImportColumns,
  "id" | "tenant" | "type" | "status" | "read" | "accepted" | "duplicate" | "rejected" | "errors"
>;

const maxErrorLength = 10_000;

export function createProgress(id: string, tenant: string, type: string): ImportProgress {
  const counts = { read: 0, accepted: 0, duplicate: 0, rejected: 0 };
  return { id, tenant, type, status: "receiving", ...counts, errors: [] };
}

export function addChunk(
  from: ImportProgress,
  chunk: Chunk,
  accepted: readonly Accepted[],
): ImportProgress {
  const created = accepted.filter((entry) => entry.isNew).length;
  return {
    ...from,
    read: from.read + chunk.read,
    accepted: from.accepted + created,
    duplicate: from.duplicate + accepted.length - created,
    rejected: from.rejected + chunk.errors.length,
    errors: limitErrors([...from.errors, ...chunk.errors]),
  };
}

/** Keeps the first errors up to the limit, without those that are too large. */
function limitErrors(errors: readonly ImportError[]): ImportError[] {
  return errors
    .slice(0, limits.importErrors)
    .filter((error) => JSON.stringify(error).length <= maxErrorLength);
}
