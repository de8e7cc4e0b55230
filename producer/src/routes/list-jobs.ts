import type { RouteHandler } from "@hono/zod-openapi";
import type { listJobs as route } from "@toril/contract/http/jobs";
import { searchableFields } from "@toril/contract/jobs";
import { fieldTerm, labelTerm, scheduleTerm } from "@toril/contract/terms";
import { z } from "zod";
import type { AppEnv } from "../app-env.ts";
import { callerOf, reachOf, requireReach } from "../caller.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import type { Exchange } from "../exchange.ts";
import type { LiveJobs } from "../live-jobs.ts";
import { ProblemError } from "../problem.ts";
import type { JobReader, JobRow } from "../read-jobs.ts";
import type { JobSearch } from "../search-jobs.ts";
import { targetOf } from "../target.ts";

type Query = z.output<typeof route.request.query>;
type State = NonNullable<Query["state"]>;
type Narrowed = Omit<Query, "state">;

const Offset = z.string().regex(/^\d{1,9}$/);

/** Where jobs of a queue stand in Redis: the ids, newest first, and whether there may be more. */
export type ListState = (
  queue: string,
  state: State,
  page: { start: number; count: number },
) => Promise<{ ids: string[]; isLast: boolean }>;

export interface ListJobsDeps {
  search: JobSearch;
  jobs: JobReader;
  live: LiveJobs;
  listState: ListState;
}

export function listJobs(deps: ListJobsDeps): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const query = c.req.valid("query");
    const { state, ...narrowed } = query;
    const { rows, next } = await (state === undefined
      ? searchLedger(deps, c.env, narrowed)
      : listLive(deps, c.env, state, narrowed));
    const items = await deps.live.describe(rows);
    const headers: Record<string, string> = next === null ? {} : { Link: linkTo(c.req.url, next) };
    return c.json({ items, next }, 200, headers);
  };
}

interface Page {
  rows: JobRow[];
  next: string | null;
}

async function searchLedger({ jobs, search }: ListJobsDeps, exchange: Exchange, query: Narrowed) {
  const { cursor, limit, label, schedule, createdAfter, createdBefore, ...filter } = query;
  const terms = [
    ...(label === undefined ? [] : [labelTerm(label)]),
    ...(schedule === undefined ? [] : [scheduleTerm(schedule)]),
    ...searchableFields.flatMap((field) => {
      const value = (query as Record<string, unknown>)[`data.${field}`] as string | undefined;
      return value === undefined ? [] : [fieldTerm(field, value)];
    }),
  ];
  const { tenant } = callerOf(exchange);
  const { ids, next } = await search.find(
    {
      ...filter,
      tenant,
      terms,
      createdAfter: createdAfter === undefined ? undefined : new Date(createdAfter),
      createdBefore: createdBefore === undefined ? undefined : new Date(createdBefore),
      reach: reachOf(exchange),
    },
    cursor === undefined ? undefined : decodeCursor(cursor),
    limit,
  );
  const rows = await jobs.findAll(tenant, ids);
  return { rows, next: next === undefined ? null : encodeCursor(next) } satisfies Page;
}

/** What moves on meanwhile may be seen twice, or not at all: this is a look at Redis, not at the ledger. */
async function listLive(
  { jobs, listState }: ListJobsDeps,
  exchange: Exchange,
  state: State,
  { cursor, limit, queue, ...others }: Narrowed,
): Promise<Page> {
  if (queue === undefined) throw refused("state", "It needs a queue.");
  const other = Object.entries(others).find(([, value]) => value !== undefined);
  if (other !== undefined) throw refused(other[0], "Not beside a state.");
  const { queues } = reachOf(exchange);
  if (queues !== undefined && !queues.includes(queue)) requireReach(exchange, { queue, type: "" });
  const start = cursor === undefined ? 0 : Number(decodeCursor(cursor, Offset));
  const { ids, isLast } = await listState(queue, state, { start, count: limit });
  const rows = await jobs.findAll(callerOf(exchange).tenant, ids);
  const { types } = reachOf(exchange);
  return {
    rows: types === undefined ? rows : rows.filter((row) => types.includes(row.type)),
    next: isLast ? null : encodeCursor(String(start + limit)),
  };
}

function refused(pointer: string, detail: string) {
  return new ProblemError("invalid-parameter", undefined, [{ pointer: `/${pointer}`, detail }]);
}

/** RFC 8288. */
function linkTo(url: string, cursor: string): string {
  const next = new URL(targetOf(url), "http://localhost");
  next.searchParams.set("cursor", cursor);
  return `<${next.pathname}${next.search}>; rel="next"`;
}
