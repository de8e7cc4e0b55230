import type { Api } from "@toril/contract/api/http/index";
import { feedFetch } from "@toril/contract/api/job-types/feed-fetch";
import { limits } from "@toril/contract/api/limits";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import type { BulkRequest } from "@toril/contract/engine/jobs/insert/insert-bulk";
import { createNewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { z } from "zod";
import { readJson } from "../http/body.ts";
import { getOrigin, requirePermitted } from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import { toJobProblem } from "../jobs/job-problem.ts";
import type { Reads } from "../stores/reads.ts";
import { createFeedLedger, type FeedPosition, resumeFeed, toFeed } from "./feed-ledger.ts";

export interface FeedRoutesDeps {
  api: Api;
  reads: Reads;
  enqueue: Enqueue;
  secretKeys: KeyRing | undefined;
}

const { type } = feedFetch;

export function feedRoutes({ api, reads, enqueue, secretKeys }: FeedRoutesDeps): HandledRoute[] {
  const feeds = createFeedLedger(reads);

  return [
    handle(api.listFeeds, async (c) => {
      const { cursor, limit } = c.req.valid("query");
      const after = cursor === undefined ? undefined : decodePosition(cursor);
      requirePermittedFeeds(c.env);
      const rows = await feeds.list(c.env.principal.tenant, after, limit + 1);
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return c.json({ items: page.map(toFeed), next: last ? encodePosition(last) : null }, 200);
    }),

    handle(api.fetchFeed, async (c) => {
      const { quota, jobTypes } = c.env;
      if (quota !== undefined) await quota.takeJobs(1);
      const value = await readJson(c.env, limits.bodyBytes, quota);
      requirePermittedFeeds(c.env);
      const parsed = feedFetch.data.safeParse(value);
      if (!parsed.success) {
        const request = { type, data: value };
        const { kind, detail, errors } = toJobProblem(jobTypes, request, parsed.error);
        throw new ProblemError(kind, detail, errors);
      }
      const { data } = parsed;
      const origin = getOrigin(c.env);
      const feed = { tenant: origin.tenant, source: data.source ?? data.url, url: data.url };
      const made = createNewJob(jobTypes, { type, data }, origin, secretKeys);
      if (made.status === "refused") throw new ProblemError(made.kind, made.detail, made.errors);
      if (!(await feeds.isKnown(feed))) {
        throw new ProblemError(
          "feed-not-found",
          "No feed with this url and source was fetched yet. A schedule or a job of the type feed.fetch fetches it for the first time.",
        );
      }
      const alongside: BulkRequest["alongside"] = async (tx, accepted) => {
        await resumeFeed(tx, feed);
        for (const { job } of accepted) {
          // Whether Redis accepts the job is not known yet.
          const response = { status: 202, headers: toHeaders(job), body: job };
          await c.env.storeEarlyResponse?.(tx, response);
        }
      };
      const record = () => enqueue.many({ jobs: [made.job], alongside });
      const outcome = await (quota === undefined ? record() : quota.withReserved(1, record));
      if (outcome.status === "unstorable") throw new ProblemError("unstorable-json");
      const [accepted] = outcome.status === "accepted" ? outcome.jobs : [];
      if (outcome.status !== "accepted" || accepted === undefined) {
        throw new ProblemError("at-capacity", "The feed is being changed. Try again.");
      }
      const { job } = accepted;
      c.env.jobId = job.id;
      return c.json(job, outcome.isDispatched ? 201 : 202, toHeaders(job));
    }),
  ];
}

/** Throws `forbidden-resource` if the caller's key does not permit jobs that fetch feeds. */
function requirePermittedFeeds(context: RequestContext): void {
  requirePermitted(context, { type, queue: context.jobTypes.getQueue(type) });
}

function toHeaders({ id }: { id: string }) {
  return { Location: `/v1/jobs/${id}` };
}

/** The source is percent-encoded: a cursor has only Latin-1 characters. */
const Position = z
  .string()
  .regex(/^[0-9a-f]{32} [\w%.!~*'()-]+$/)
  .refine((text) => decodeSource(text) !== undefined);

function encodePosition({ source, hash }: FeedPosition): string {
  return encodeCursor(`${hash} ${encodeURIComponent(source)}`);
}

/** Throws a problem for a cursor that this API did not return. */
function decodePosition(cursor: string): FeedPosition {
  const text = decodeCursor(cursor, Position);
  return { hash: text.slice(0, 32), source: decodeSource(text) ?? "" };
}

function decodeSource(text: string): string | undefined {
  try {
    const source = decodeURIComponent(text.slice(33));
    // Postgres refuses it.
    return source.includes("\0") ? undefined : source;
  } catch {
    return undefined;
  }
}
