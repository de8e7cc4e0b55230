import type { ManyRequest } from "@toril/contract/enqueue/record-many";
import type { Ledger } from "@toril/contract/ledger/pool";
import type { ScheduleDefinition } from "@toril/contract/schedule/schedule";
import {
  type Check,
  deleteSchedule,
  findSchedule,
  listSchedules,
  noteRun,
  type SavedSchedule,
  saveSchedule,
  type ScheduleFilter,
  type ScheduleRow,
  setPaused,
} from "@toril/contract/schedule/schedule-ledger";
import type { KeyRing } from "@toril/contract/secret/key-ring";

/** The schedules of a tenant. What a `Check` throws leaves all as it was. */
export interface ScheduleStore {
  put(
    tenant: string,
    name: string,
    definition: ScheduleDefinition,
    check: Check,
  ): Promise<SavedSchedule>;
  /** By name. */
  list(filter: ScheduleFilter): Promise<ScheduleRow[]>;
  find(tenant: string, name: string): Promise<ScheduleRow | undefined>;
  setPaused(
    tenant: string,
    name: string,
    isPaused: boolean,
    check: Check,
  ): Promise<ScheduleRow | undefined>;
  delete(tenant: string, name: string, check: Check): Promise<ScheduleRow | undefined>;
  /** Notes a job that was made by hand, together with it. */
  noting(tenant: string, name: string): NonNullable<ManyRequest["alongside"]>;
}

export function createScheduleStore(ledger: Ledger, keys: KeyRing | undefined): ScheduleStore {
  return {
    put: (tenant, name, definition, check) =>
      ledger.run((sql) =>
        saveSchedule(sql, { tenant, name }, { definition, source: "api" }, { keys, check }),
      ),
    list: (filter) => ledger.run((sql) => listSchedules(sql, filter)),
    find: (tenant, name) => ledger.run((sql) => findSchedule(sql, { tenant, name })),
    setPaused: (tenant, name, isPaused, check) =>
      ledger.run((sql) => setPaused(sql, { tenant, name }, isPaused, check)),
    delete: (tenant, name, check) =>
      ledger.run((sql) => deleteSchedule(sql, { tenant, name }, check)),
    noting:
      (tenant, name) =>
      async (sql, [accepted]) => {
        if (accepted === undefined) return;
        const { id, outcome, createdAt } = accepted.job;
        const none = { slot: null, reason: null, detail: null };
        const at = outcome === "created" ? createdAt : new Date().toISOString();
        await noteRun(sql, { tenant, name }, { ...none, at, outcome, jobId: id });
      },
  };
}
