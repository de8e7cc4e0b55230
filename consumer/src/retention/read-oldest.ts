import { finalStatuses } from "@toril/contract/api/job-states";
import type { ISql } from "postgres";
import type { Retainable } from "./sweeps.ts";

/** Reads the age in seconds of the oldest row of each kind; null when there is none. */
export function readOldest(sql: ISql) {
  const age = (time: ReturnType<ISql>) => sql`extract(epoch from now() - ${time})::float8`;
  return sql<{ what: Retainable; seconds: number | null }[]>`
    select what, ${age(sql`(
      select settled_at from jobs where status = what and settled_at is not null order by settled_at limit 1)`)} as seconds
    from unnest(${[...finalStatuses]}::text[]) as what
    union all
    select 'imports', ${age(sql`(select created_at from imports order by id limit 1)`)}
    union all
    select 'idempotencyKeys', ${age(sql`(select touched_at from idempotency_keys order by touched_at limit 1)`)}
    union all
    select 'operations', ${age(sql`(select ended_at from operations where ended_at is not null order by ended_at limit 1)`)}`;
}
