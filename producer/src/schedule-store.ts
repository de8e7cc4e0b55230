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
import type { ISql } from "postgres";
import { ProblemError } from "./problem.ts";
import type { Reads } from "./reads.ts";

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

export interface ScheduleStoreDeps {
  ledger: Ledger;
  reads: Reads;
  keys: KeyRing | undefined;
  /** Of a tenant. */
  maxSchedules: number;
}

export function createScheduleStore(deps: ScheduleStoreDeps): ScheduleStore {
  const { ledger, reads, keys, maxSchedules } = deps;
  return {
    put: (tenant, name, definition, check) =>
      ledger.run(async (sql) => {
        const others = await countOthers(sql, { tenant, name }, maxSchedules);
        const checkCount: Check = (found) => {
          check(found);
          if (found === undefined && others >= maxSchedules) {
            throw new ProblemError("too-many-schedules", `It may have ${maxSchedules}.`);
          }
        };
        const asked = { keys, check: checkCount };
        return saveSchedule(sql, { tenant, name }, { definition, source: "api" }, asked);
      }),
    list: (filter) => reads.run(filter.tenant, (sql) => listSchedules(sql, filter)),
    find: (tenant, name) => reads.run(tenant, (sql) => findSchedule(sql, { tenant, name })),
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

async function countOthers(
  sql: ISql,
  { tenant, name }: { tenant: string; name: string },
  limit: number,
) {
  const [row] = await sql<{ others: number }[]>`
    select count(*)::int as others from (
      select from schedules where tenant = ${tenant} and name <> ${name} limit ${limit}
    ) as found`;
  return row?.others ?? 0;
}
