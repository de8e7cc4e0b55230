import type { Job, ListJobsQuery } from "@toril/client";
import {
  type Command,
  getOperand,
  parseChoice,
  parseNumber,
  type ParsedArguments,
  UsageError,
} from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { printResult } from "../output/print-result.ts";
import { renderJob, renderJobs } from "./render-job.ts";

export const statuses = ["pending", "completed", "dead", "cancelled", "expired"] as const;
const states = [
  "waiting",
  "delayed",
  "prioritized",
  "active",
  "undispatched",
  "waiting-children",
] as const;
/** Maximum of one page, and of one command: a longer list is read with `--cursor`. */
export const maxLimit = 500;

export const getJob: Command = {
  summary: "print a job with its attempts",
  operands: ["id"],
  options: connectionOptions,
  async run(parsed, context) {
    const { signal } = context;
    const job = await connect(parsed, context).getJob(getOperand(parsed), { signal });
    printResult(parsed, context, job, (style) => renderJob(job, style));
  },
};

export const listJobs: Command = {
  summary: "list jobs, newest first",
  operands: [],
  options: {
    type: { value: "T", help: "only jobs of this type" },
    queue: { value: "Q", help: "only jobs of this queue" },
    status: { value: "S", choices: statuses, help: `only ${statuses.join(", ")}` },
    state: {
      value: "S",
      choices: states,
      help: `only pending jobs in this live state: ${states.join(", ")}`,
    },
    "dedup-key": { value: "K", help: "only jobs with this key" },
    label: { value: "L", help: "only jobs with this label" },
    schedule: { value: "NAME", help: "only jobs of this schedule" },
    import: { value: "ID", help: "only jobs of this import" },
    "created-after": { value: "TIME", help: "ISO 8601" },
    "created-before": { value: "TIME", help: "ISO 8601" },
    where: { value: "F=V", help: "value of a searchable field of the job type" },
    limit: { value: "N", help: `maximum number of jobs, at most ${maxLimit} (50)` },
    cursor: { value: "C", help: "`next` of an earlier list" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const client = connect(parsed, context);
    const { limit = 50, ...query } = parseQuery(parsed);
    const items: Job[] = [];
    let next: string | null = query.cursor ?? null;
    // A page may be short or empty although more results exist.
    do {
      const page = await client.listJobs(
        { ...query, limit: limit - items.length, ...(next === null ? {} : { cursor: next }) },
        { signal: context.signal },
      );
      items.push(...page.items);
      next = page.next;
    } while (next !== null && items.length < limit);
    if (items.length === 0) context.inform("No job matches.");
    printResult(parsed, context, { items, next }, (style) =>
      items.length === 0 ? "" : renderJobs(items, style),
    );
    if (next !== null) context.inform(`There may be more: --cursor ${next}`);
  },
};

function parseQuery(parsed: ParsedArguments): ListJobsQuery {
  const { options } = parsed;
  const query = {
    type: options["type"],
    queue: options["queue"],
    status: parseChoice(parsed, "status", statuses),
    state: parseChoice(parsed, "state", states),
    key: options["dedup-key"],
    label: options["label"],
    schedule: options["schedule"],
    importId: options["import"],
    createdAfter: options["created-after"],
    createdBefore: options["created-before"],
    limit: parseNumber(parsed, "limit", [1, maxLimit]),
    cursor: options["cursor"],
    ...parseField(options["where"]),
  };
  // The client omits undefined values.
  return query as ListJobsQuery;
}

function parseField(text: string | undefined): Record<`data.${string}`, string> {
  if (text === undefined) return {};
  const [, field, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (field === undefined || value === undefined)
    throw new UsageError("--where must be FIELD=VALUE");
  return { [`data.${field}`]: value };
}
