import { defaultTenant } from "@toril/contract/api/api-key";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { ScheduleDefinition } from "@toril/contract/api/schedule";
import {
  deleteOthersOfFile,
  saveSchedule,
  type ScheduleRow,
} from "@toril/contract/engine/schedules/schedule-ledger";
import { openTemplate } from "@toril/contract/engine/schedules/template";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";

export type ScheduleFile = ReadonlyMap<string, ScheduleDefinition>;

const tenant = defaultTenant;

/** Replaces the schedules with source `file` by those in the file. Unchanged schedules are not written. */
export async function applyFile(
  ledger: Pick<Ledger, "run">,
  jobTypes: JobTypeRegistry,
  file: ScheduleFile,
  keys: KeyRing | undefined,
): Promise<{ saved: string[]; deleted: string[] }> {
  const saved: string[] = [];
  for (const [name, definition] of file) {
    const written = { definition, source: "file" } as const;
    const isSame = (found: ScheduleRow) =>
      found.source === "file" && areSame(jobTypes, found, definition, keys);
    const { status } = await ledger.run((sql) =>
      saveSchedule(sql, { tenant, name }, written, { jobTypes, keys, isSame }),
    );
    if (status !== "unchanged") saved.push(name);
  }
  const deleted = await ledger.run((sql) => deleteOthersOfFile(sql, tenant, [...file.keys()]));
  return { saved, deleted };
}

/** Compares decrypted secrets: the same secret encrypts differently each time. */
function areSame(
  jobTypes: JobTypeRegistry,
  { id, definition }: ScheduleRow,
  other: ScheduleDefinition,
  keys: KeyRing | undefined,
) {
  const opened = openTemplate(jobTypes, definition.job, id, keys);
  if (opened.status !== "ok") return false;
  return canonical({ ...definition, job: opened.job }) === canonical(other);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === "object" && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
}
