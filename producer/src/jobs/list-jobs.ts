import type { Api } from "@toril/contract/api/http/index";
import { fieldTerm, labelTerm, scheduleTerm } from "@toril/contract/api/job-data/search-terms";
import { escapePointer } from "@toril/contract/api/json/json";
import { type JobState, RedisState } from "@toril/contract/api/jobs/job-states";
import type { z } from "zod";
import type { OperationHandler } from "../http/route.ts";
import { getRestrictions, refreshJobTypes, requireKnown } from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { getTarget, type RequestContext } from "../http/request-context.ts";
import type { LiveJobs } from "./live-jobs.ts";
import { ProblemError } from "../http/problem.ts";
import type { JobReader, JobRow, PageOptions } from "./read-jobs.ts";
import type { JobIdPage, JobSearch } from "./search-jobs.ts";
import type { JobFilter } from "./search-sources.ts";
import { throwUnavailable } from "../queues/queue-reader.ts";

type Query = z.output<Api["listJobs"]["request"]["query"]>;
type Narrowed = Omit<Query, "state" | "omit">;

/** Lists the ids of all jobs in a state from Redis; undefined if there are too many. */
export type ListState = (
  queues: readonly string[],
  state: RedisState,
) => Promise<readonly string[] | undefined>;

/** Maximum number of jobs whose state one page checks. */
const maxChecked = 1000;
const checkedAtOnce = 250;

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
      : searchLive(deps, c.env, { ...narrowed, state }, options));
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
  deps: ListJobsDeps,
  context: RequestContext,
  query: Narrowed,
  options: PageOptions,
): Promise<Page> {
  const before = toPosition(query.cursor);
  const found = await deps.jobSearch.find(toFilter(context, query), before, query.limit);
  return readPage(deps, context, found, options);
}

/**
 * Finds pending jobs by their live state. Redis lists the jobs of a state, unless there are too many: then the state of
 * each job that matches the other filters is checked. Not a snapshot: a job that changes state meanwhile may be missing.
 */
async function searchLive(
  deps: ListJobsDeps,
  context: RequestContext,
  { state, ...query }: Narrowed & { state: JobState },
  options: PageOptions,
): Promise<Page> {
  const { status = "pending", queue, limit } = query;
  if (status !== "pending") throw refused("status", "Only pending jobs have a state.");
  const { jobReader, jobSearch, liveJobs, listState } = deps;
  const queues = queue === undefined ? context.jobTypes.queues : [queue];
  const redisState = RedisState.safeParse(state);
  const ids = redisState.success
    ? await listState(queues, redisState.data).catch(throwUnavailable)
    : undefined;
  const isWaitingForChildren = state === "waiting-children";
  const filter = { ...toFilter(context, query), status, ids, isWaitingForChildren };
  const candidates = await jobSearch.find(filter, toPosition(query.cursor), maxChecked);
  const found: string[] = [];
  let checked = 0;
  while (checked < candidates.ids.length && found.length <= limit) {
    const next = candidates.ids.slice(checked, checked + Math.max(checkedAtOnce, limit + 1));
    const omitted = { isPayloadOmitted: true };
    const { rows, read } = await jobReader.findPage(context.principal.tenant, next, omitted);
    found.push(...(await liveJobs.findInState(rows, state).catch(throwUnavailable)));
    checked += read;
  }
  const page = { ids: found.slice(0, limit), next: candidates.next };
  if (found.length > limit) page.next = page.ids.at(-1);
  return readPage(deps, context, page, options);
}

function toFilter(context: RequestContext, query: Narrowed): JobFilter {
  const { cursor: _, limit: __, label, schedule, createdAfter, createdBefore, ...filter } = query;
  const terms = [
    ...(label === undefined ? [] : [labelTerm(label)]),
    ...(schedule === undefined ? [] : [scheduleTerm(schedule)]),
    ...context.jobTypes.searchableFields.flatMap((field) => {
      const value = (query as Record<string, unknown>)[`data.${field}`] as string | undefined;
      return value === undefined ? [] : [fieldTerm(field, value)];
    }),
  ];
  return {
    ...filter,
    tenant: context.principal.tenant,
    terms,
    createdAfter: createdAfter === undefined ? undefined : new Date(createdAfter),
    createdBefore: createdBefore === undefined ? undefined : new Date(createdBefore),
    restrictions: getRestrictions(context),
  };
}

function toPosition(cursor: string | undefined): string | undefined {
  return cursor === undefined ? undefined : decodeCursor(cursor);
}

async function readPage(
  { jobReader }: ListJobsDeps,
  { principal }: RequestContext,
  { ids, next }: JobIdPage,
  options: PageOptions,
): Promise<Page> {
  const { rows, read } = await jobReader.findPage(principal.tenant, ids, options);
  const following = read < ids.length ? ids[read - 1] : next;
  return { rows, next: following === undefined ? null : encodeCursor(following) };
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
