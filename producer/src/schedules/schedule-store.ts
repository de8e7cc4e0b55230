import {
  listSchedules,
  type ScheduleFilter,
  type SchedulePage,
} from "@toril/contract/engine/schedules/list-schedules";
import type { BulkRequest } from "@toril/contract/engine/jobs/insert/insert-bulk";
import {
  type Alongside,
  type Check,
  deleteSchedule,
  findSchedule,
  type PausedOptions,
  type SavedSchedule,
  saveSchedule,
  type ScheduleRow,
  setPaused,
  type WrittenSchedule,
} from "@toril/contract/engine/schedules/schedule-ledger";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { ScheduleRun } from "@toril/contract/api/schedule";
import { recordRuns } from "@toril/contract/engine/schedules/schedule-runs";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { ISql } from "postgres";
import { lockCreation, type TenantLedger } from "../stores/postgres.ts";
import { ProblemError } from "../http/problem.ts";
import type { Reads } from "../stores/reads.ts";

/** Schedules of a tenant. Nothing changes if a `Check` throws. */
export interface ScheduleStore {
  put(
    tenant: string,
    name: string,
    written: Omit<WrittenSchedule, "source">,
    check: Check,
    alongside: Alongside,
  ): Promise<SavedSchedule>;
  /** Ordered by name. */
  list(filter: ScheduleFilter): Promise<SchedulePage>;
  find(tenant: string, name: string): Promise<ScheduleRow | undefined>;
  setPaused(
    tenant: string,
    name: string,
    isPaused: boolean,
    options: PausedOptions,
  ): Promise<ScheduleRow | undefined>;
  delete(
    tenant: string,
    name: string,
    check: Check,
    alongside: Alongside,
  ): Promise<ScheduleRow | undefined>;
  /**
   * Records a manual run in the transaction that records its job. Throws `ScheduleChanged` if the schedule has a newer
   * version.
   */
  recordRun(
    schedule: ScheduleRow,
    explained: Pick<ScheduleRun, "reason" | "detail">,
  ): NonNullable<BulkRequest["alongside"]>;
}

/** Thrown to roll a transaction back. */
export class ScheduleChanged extends Error {}

export interface ScheduleStoreDeps {
  jobTypes: JobTypeRegistry;
  ledger: TenantLedger;
  reads: Reads;
  keys: KeyRing | undefined;
  /** Per tenant. */
  maxSchedules: number;
}

export function createScheduleStore(deps: ScheduleStoreDeps): ScheduleStore {
  const { jobTypes, ledger, reads, keys, maxSchedules } = deps;
  return {
    put: (tenant, name, written, check, alongside) =>
      ledger.run(tenant, (sql) => {
        const beforeCreate = (tx: ISql) => requireFreeSlot(tx, tenant, maxSchedules);
        const types = jobTypes.forTenant(tenant);
        const options = { jobTypes: types, keys, check, beforeCreate, alongside };
        return saveSchedule(sql, { tenant, name }, { ...written, source: "api" }, options);
      }),
    list: (filter) => reads.run(filter.tenant, (sql) => listSchedules(sql, filter)),
    find: (tenant, name) => reads.run(tenant, (sql) => findSchedule(sql, { tenant, name })),
    setPaused: (tenant, name, isPaused, options) =>
      ledger.run(tenant, (sql) => setPaused(sql, { tenant, name }, isPaused, options)),
    delete: (tenant, name, check, alongside) =>
      ledger.run(tenant, (sql) => deleteSchedule(sql, { tenant, name }, check, alongside)),
    recordRun:
      (schedule, explained) =>
      async (sql, [accepted]) => {
        if (accepted === undefined) return;
        const { id, outcome, createdAt } = accepted.job;
        const isNew = outcome === "created";
        const at = isNew ? createdAt : new Date().toISOString();
        const { reason, detail } = isNew ? explained : { reason: null, detail: null };
        const run = { scheduledFor: null, at, outcome, jobId: id, reason, detail };
        if ((await recordRuns(sql, [{ schedule, run }])) === 0) throw new ScheduleChanged();
      },
  };
}

async function requireFreeSlot(tx: ISql, tenant: string, maxSchedules: number) {
  await lockCreation(tx, "schedules", tenant);
  const [row] = await tx<{ existing: number }[]>`
    select count(*)::int as existing from (
      select from schedules where tenant = ${tenant} limit ${maxSchedules}
    ) as counted`;
  if (row !== undefined && row.existing >= maxSchedules) {
    throw new ProblemError(
      "too-many-schedules",
      `A tenant may have at most ${maxSchedules} schedules.`,
    );
  }
}
