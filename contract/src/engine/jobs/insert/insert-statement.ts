import type { AddParameter } from "../../postgres/statement.ts";
import type { NewJob } from "../enqueue/new-job.ts";

/**
 * Builds one `insert into jobs` for all jobs, without conflict and returning clauses. Omits columns that are null for
 * all jobs.
 */
export function insertStatement(add: AddParameter, jobs: readonly NewJob[]): string {
  // JSON text contains no line breaks: joined lines need no array quoting, which cost both sides more than all other
  // parameters.
  const ids = add(jobs.map((job) => job.id).join("\n"));
  const data = add(jobs.map((job) => job.data).join("\n"));
  const common = selectCommon(add, jobs);
  const filled = rareColumns.filter(({ of }) => jobs.some((job) => of(job) !== null));
  const names = filled.map(({ name }) => `, ${name}`).join("");
  const values = filled.map(({ name, type = "text" }) => {
    if (type === "list") return `, string_to_array(${name}, E'\\n')`;
    return type === "boolean" ? `, ${name}::boolean` : `, ${name}`;
  });
  const arrays = filled.map(({ of, type = "text" }) => {
    const sent = type === "timestamptz" || type === "uuid" ? type : "text";
    return `, ${add(jobs.map(of))}::${sent}[]`;
  });
  return `
    insert into jobs (id, data, tenant, queue, type, options, import_id${names})
    select id, data::jsonb, ${common.values}${values.join("")}
    from unnest(
      string_to_array(${ids}, E'\\n')::uuid[], string_to_array(${data}, E'\\n')${common.array}${arrays.join("")}
    ) as job (id, data${common.name}${names})`;
}

interface RareColumn {
  name: string;
  of(job: NewJob): string | null;
  /** Text if undefined. `list`: joined with newlines. */
  type?: "timestamptz" | "list" | "uuid" | "boolean";
}

/** Columns that are null for most jobs. */
const rareColumns: readonly RareColumn[] = [
  { name: "key", of: (job) => job.key },
  { name: "run_at", of: (job) => job.runAt?.toISOString() ?? null, type: "timestamptz" },
  { name: "trace", of: (job) => job.trace },
  { name: "quota_key", of: (job) => job.quotaKey },
  { name: "expires_at", of: (job) => job.expiresAt?.toISOString() ?? null, type: "timestamptz" },
  { name: "labels", of: (job) => job.labels?.join("\n") ?? null, type: "list" },
  { name: "schedule", of: (job) => job.schedule },
  { name: "callback_url", of: (job) => job.callback?.url ?? null },
  { name: "callback_webhook", of: (job) => job.callback?.webhook ?? null, type: "uuid" },
  { name: "parent_id", of: (job) => job.parentId, type: "uuid" },
  { name: "on_failure", of: (job) => job.onFailure },
  {
    name: "waiting_children",
    of: (job) => (job.waitsForChildren ? "true" : null),
    type: "boolean",
  },
];

/**
 * Builds tenant, queue, type, options and import, which are usually equal for a whole batch. Each value is a scalar
 * subquery, which Postgres evaluates once; plain expressions were evaluated for each row.
 */
function selectCommon(add: AddParameter, jobs: readonly NewJob[]) {
  const [first] = jobs;
  if (first !== undefined && jobs.every((job) => areAlike(first, job))) {
    const { tenant, queue, type, options, importId } = first;
    const values = `
      (select ${add(tenant)}::text), (select ${add(queue)}::text), (select ${add(type)}::text),
      (select ${add(JSON.stringify(options))}::text::jsonb), (select ${add(importId)}::uuid)`;
    return { values, name: "", array: "" };
  }
  const { kinds, kindNumbers } = groupByKind(jobs);
  const values = `
    (select ${add(kinds.map((kind) => kind.tenant))}::text[])[kind], (select ${add(kinds.map((kind) => kind.queue))}::text[])[kind],
    (select ${add(kinds.map((kind) => kind.type))}::text[])[kind],
    (select ${add(kinds.map((kind) => JSON.stringify(kind.options)))}::text[]::jsonb[])[kind],
    (select ${add(kinds.map((kind) => kind.importId))}::uuid[])[kind]`;
  return { values, name: ", kind", array: `, ${add(kindNumbers)}::int[]` };
}

function groupByKind(jobs: readonly NewJob[]) {
  const kinds: NewJob[] = [];
  const numbers = new Map<string, number>();
  let last: NewJob | undefined;
  let number = 0;
  const kindNumbers = jobs.map((job) => {
    if (last === undefined || !areAlike(last, job)) {
      const { tenant, queue, type, options, importId } = job;
      const identity = JSON.stringify([tenant, queue, type, options, importId]);
      number = numbers.get(identity) ?? kinds.push(job);
      numbers.set(identity, number);
      last = job;
    }
    return number;
  });
  return { kinds, kindNumbers };
}

/** A cheap comparison by reference: jobs with equal options in different objects count as different. */
function areAlike(one: NewJob, other: NewJob) {
  return (
    one.type === other.type &&
    one.options === other.options &&
    one.queue === other.queue &&
    one.tenant === other.tenant &&
    one.importId === other.importId
  );
}
