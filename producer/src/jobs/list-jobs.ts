import type { Api } from "@toril/contract/api/http/index";
import { fieldTerm, labelTerm, scheduleTerm } from "@toril/contract/api/job-data/search-terms";
import { escapePointer } from "@toril/contract/api/json/json";
import { z } from "zod";
import type { OperationHandler } from "../http/route.ts";
import {
  getRestrictions,
  refreshJobTypes,
  requireKnown,
  requirePermitted,
} from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { getTarget, type RequestContext } from "../http/request-context.ts";
import type { LiveJobs } from "./live-jobs.ts";
import { ProblemError } from "../http/problem.ts";
import type { JobReader, JobRow, PageOptions } from "./read-jobs.ts";
import type { JobSearch } from "./search-jobs.ts";

type Query = z.output<Api["listJobs"]["request"]["query"]>;
type State = NonNullable<Query["state"]>;
type Narrowed = Omit<Query, "state" | "omit">;

const Offset = z.string().regex(/^\d{1,9}$/);

/** Lists the ids of a queue's jobs in one state from Redis, newest first, and whether this page is the last. */
export type ListState = (
  queue: string,
  state: State,
  page: { start: number; count: number },
) => Promise<{ ids: string[]; isLast: boolean }>;

export interface ListJobsDeps {
  jobSearch: JobSearch;
  jobReader: JobReader;
  liveJobs: LiveJobs;
  listState: ListState;
}

export function listJobs(
  route: Api["listJobs"],
  deps: ListJobsDeps,
): OperationHandler<Api["listJobs"]> {
  const parameters = new Set(Object.keys(route.request.query.shape));
  return async (c) => {
    const query = c.req.valid("query");
    await requireKnown(c.env, query);
    await requireKnownParameters(c.env, parameters);
    const { state, omit, ...narrowed } = query;
    const options = { isPayloadOmitted: omit === "payload" };
    const { rows, next } = await (state === undefined
      ? searchLedger(deps, c.env, narrowed, options)
      : listLive(deps, c.env, { ...narrowed, state }, options));
    const items = await deps.liveJobs.toJobs(rows);
    const headers: Record<string, string> = next === null ? {} : { Link: linkTo(c.req.url, next) };
    return c.json({ items, next }, 200, headers);
  };
}

/** Throws a problem if a parameter is neither one of the route nor a searchable field of the tenant's job types. */
async function requireKnownParameters(context: RequestContext, known: ReadonlySet<string>) {
  const { searchParams } = new URL(getTarget(context.request.url), "http://localhost");
  const others = [...new Set(searchParams.keys())].filter((name) => !known.has(name));
  const findUnknown = () =>
    others.filter((name) => {
      const field = name.startsWith("data.") ? name.slice("data.".length) : undefined;
      return field === undefined || !context.jobTypes.searchableFields.includes(field);
    });
  if (findUnknown().length === 0) return;
  if (others.some((name) => name.startsWith("data."))) await refreshJobTypes(context);
  const errors = findUnknown().map((name) => ({
    pointer: `/${escapePointer(name)}`,
    detail: "Unknown field.",
  }));
  if (errors.length > 0) throw new ProblemError("invalid-parameter", undefined, errors);
}

interface Page {
  rows: JobRow[];
  next: string | null;
}

async function searchLedger(
  { jobReader, jobSearch }: ListJobsDeps,
  context: RequestContext,
  query: Narrowed,
  options: PageOptions,
) {
  const { cursor, limit, label, schedule, createdAfter, createdBefore, ...filter } = query;
  const terms = [
    ...(label === undefined ? [] : [labelTerm(label)]),
    ...(schedule === undefined ? [] : [scheduleTerm(schedule)]),
    ...context.jobTypes.searchableFields.flatMap((field) => {
      const value = (query as Record<string, unknown>)[`data.${field}`] as string | undefined;
      return value === undefined ? [] : [fieldTerm(field, value)];
    }),
  ];
  const { tenant } = context.principal;
  const { ids, next } = await jobSearch.find(
    {
      ...filter,
      tenant,
      terms,
      createdAfter: createdAfter === undefined ? undefined : new Date(createdAfter),
      createdBefore: createdBefore === undefined ? undefined : new Date(createdBefore),
      restrictions: getRestrictions(context),
    },
    cursor === undefined ? undefined : decodeCursor(cursor),
    limit,
  );
  const { rows, read } = await jobReader.findPage(tenant, ids, options);
  const following = read < ids.length ? ids[read - 1] : next;
  return { rows, next: following === undefined ? null : encodeCursor(following) } satisfies Page;
}

/**
 * Lists jobs by their state in Redis, which is no snapshot: a job that changes state meanwhile may appear twice or not
 * at all.
 */
async function listLive(
  { jobReader, listState }: ListJobsDeps,
  context: RequestContext,
  { state, cursor, limit, queue, ...others }: Narrowed & { state: State },
  options: PageOptions,
): Promise<Page> {
  if (queue === undefined) throw refused("state", "It needs a queue.");
  const other = Object.entries(others).find(([, value]) => value !== undefined);
  if (other !== undefined) throw refused(other[0], "Not beside a state.");
  const { queues } = getRestrictions(context);
  if (queues !== undefined && !queues.includes(queue))
    requirePermitted(context, { queue, type: "" });
  const start = cursor === undefined ? 0 : Number(decodeCursor(cursor, Offset));
  const { ids, isLast } = await listState(queue, state, { start, count: limit });
  const { rows, read } = await jobReader.findPage(context.principal.tenant, ids, options);
  const { types } = getRestrictions(context);
  return {
    rows: types === undefined ? rows : rows.filter((row) => types.includes(row.type)),
    next:
      isLast && read === ids.length
        ? null
        : encodeCursor(String(start + (read < ids.length ? read : limit))),
  };
}

function refused(pointer: string, detail: string) {
  return new ProblemError("invalid-parameter", undefined, [{ pointer: `/${pointer}`, detail }]);
}

/** Builds the Link header of RFC 8288. */
function linkTo(url: string, cursor: string): string {
  const next = new URL(getTarget(url), "http://localhost");
  next.searchParams.set("cursor", cursor);
  return `<${next.pathname}${next.search}>; rel="next"`;
}
