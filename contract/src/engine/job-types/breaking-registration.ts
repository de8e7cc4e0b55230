import { compareSchemas } from "../../api/json-schema/breaking-changes.ts";
import type { FieldError } from "../../api/json/json.ts";
import { resolveSchema } from "./expand-schema.ts";
import type { StoredRegistration } from "./to-job-type.ts";

/**
 * Lists what a change of a registered type breaks for jobs that are pending or scheduled: data and results that were
 * valid and no longer are, and jobs that stay where no worker of the type looks for them.
 * @returns errors with pointers into the new registration
 */
export function findBreakingChanges(
  before: StoredRegistration,
  after: StoredRegistration,
): FieldError[] {
  const changes: FieldError[] = [
    ...compareSchemas(resolveSchema(before.data), resolveSchema(after.data), "/data"),
    ...compareSchemas(
      resolveSchema(before.result ?? {}),
      resolveSchema(after.result ?? {}),
      "/result",
    ),
  ];
  if (before.queue !== after.queue) {
    const detail = `${before.queue} became ${after.queue}: pending jobs are in the old queue`;
    changes.push({ pointer: "/queue", detail });
  }
  if (before.worker !== after.worker) {
    changes.push({ pointer: "/worker", detail: `${before.worker} became ${after.worker}` });
  }
  const secret = new Set(after.secret);
  for (const pointer of before.secret ?? []) {
    if (secret.has(pointer)) continue;
    const detail = `${pointer} is no longer secret: pending jobs contain it encrypted`;
    changes.push({ pointer: "/secret", detail });
  }
  return changes;
}
