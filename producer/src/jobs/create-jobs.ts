import type { Api } from "@toril/contract/api/http/index";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import type { Accepted } from "@toril/contract/engine/jobs/insert/insert-entries";
import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import type {
  BulkCheck,
  BulkEntry,
  BulkProblem,
  BulkResult,
} from "@toril/contract/api/http/jobs/bulk";
import { limits } from "@toril/contract/api/limits";
import type { StoredResponse } from "@toril/contract/engine/postgres/idempotency";
import { toProblem } from "@toril/contract/api/problem";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { Callbacks } from "@toril/contract/engine/webhooks/callbacks";
import type { Admission } from "../http/admission.ts";
import type { OperationHandler } from "../http/route.ts";
import { parseJsonParameter, readBytes } from "../http/body.ts";
import { getOrigin, requirePermitted } from "../http/caller.ts";
import {
  type FindCallbacks,
  mayHaveCallback,
  requireCallbackScope,
} from "../webhooks/find-callbacks.ts";
import { createLargeClaim, toReplay } from "../idempotency/claim.ts";
import { type BulkFormat, jsonArray, ndjson, parseBulk, type ParsedEntry } from "./parse-bulk.ts";
import { parseThenJob, toKeyTaken } from "./then-job.ts";
import { ProblemError } from "../http/problem.ts";

type Context = Parameters<OperationHandler<Api["createJobs"]>>[0];
type BulkResponse = StoredResponse & { body: BulkResult; status: 201 | 202 | 207 };

/** Safe cast: the fingerprint includes the target, so only this route stored the response. */
function asOwnResponse(response: StoredResponse): BulkResponse {
  return response as BulkResponse;
}

export function createBulkHandler(
  enqueue: Enqueue,
  settings: {
    maxEntries: number;
    secretKeys: KeyRing | undefined;
    admission: Admission;
    findCallbacks: FindCallbacks;
  },
): OperationHandler<Api["createJobs"]> {
  const { maxEntries, secretKeys, admission, findCallbacks } = settings;
  return async (c) => {
    const { quota, principal } = c.env;
    const { callbackUrl, then, dryRun } = c.req.valid("query");
    if (dryRun === "true") c.env.changesNothing();
    // Before the body is read and parsed, which is most of a request's cost.
    admission.refuseIfLate(principal, Number(c.req.header("content-length") ?? 0));
    await quota?.takeJobs(1);
    const format = toFormat(c.req.header("content-type"));
    const bytes = await readBytes(c.env, limits.bulkBodyBytes, quota, format.checkBeginning);
    c.env.body = bytes;
    // May wait for seconds without work, which must not count against the drain rate.
    const callbacks =
      callbackUrl !== undefined || mayHaveCallback(bytes)
        ? await findCallbacks(c.env, callbackUrl, callbackUrl !== undefined)
        : undefined;
    const thenJob =
      then === undefined
        ? undefined
        : await parseThenJob(c.env, parseJsonParameter("then", then), settings);
    // Many requests may have passed the first check together.
    admission.refuseIfLate(principal, bytes.length);
    return admission.track(
      principal,
      bytes.length,
      enqueueAll(c, bytes, format, { callbacks, thenJob }),
    );
  };

  async function enqueueAll(
    c: Context,
    bytes: Uint8Array,
    format: BulkFormat,
    { callbacks, thenJob }: { callbacks: Callbacks | undefined; thenJob: NewJob | undefined },
  ) {
    const { quota } = c.env;
    const { atomicity, dryRun } = c.req.valid("query");
    const claim = await createLargeClaim(c.env, secretKeys);
    async function store(
      entries: readonly ParsedEntry[],
    ): Promise<BulkResponse & { isReplay: boolean }> {
      if (atomicity === "all") refuseIfAnyRejected(entries);
      const outcome = await enqueue.many({
        jobs: entries.flatMap((entry) => (entry.status === "ok" ? [entry.job] : [])),
        claim,
        thenJob,
        toResponse: (accepted, isDispatched) => build(entries, accepted, isDispatched),
      });
      if (outcome.status === "key-taken") throw toKeyTaken("/then", outcome.existing);
      if (thenJob && outcome.status === "unstorable" && outcome.jobs.includes(thenJob)) {
        throw new ProblemError("unstorable-json");
      }
      if (outcome.status === "unstorable") return store(without(entries, new Set(outcome.jobs)));
      return outcome.status === "accepted"
        ? { ...build(entries, outcome.jobs, outcome.isDispatched), isReplay: false }
        : { ...asOwnResponse(toReplay(outcome)), isReplay: true };
    }

    const build = (...args: Parameters<typeof toResponse>): BulkResponse => {
      const { body, status } = toResponse(...args);
      return { body: thenJob === undefined ? body : { ...body, then: thenJob.id }, status };
    };

    const origin = { ...getOrigin(c.env), parentId: thenJob?.id };
    if (callbacks !== undefined) origin.callbacks = callbacks;
    const entries = await parseBulk(bytes, format, {
      jobTypes: c.env.jobTypes,
      origin,
      secretKeys,
      maxEntries,
    });
    // Frees the body: the entries contain everything needed.
    c.env.body = undefined;
    // Whatever the atomicity: a key permitted for only some of the entries was not meant for this request.
    const valid = entries.flatMap((entry) => (entry.status === "ok" ? [entry.job] : []));
    for (const job of valid) requirePermitted(c.env, job);
    requireCallbackScope(c.env, valid);
    if (dryRun === "true") {
      if (atomicity === "all") refuseIfAnyRejected(entries);
      return c.json(toCheck(entries), 200);
    }
    const jobs = valid.length + (thenJob === undefined ? 0 : 1);
    if (jobs > 1) await quota?.takeJobs(jobs - 1);
    const { body, status, isReplay } = await (quota === undefined
      ? store(entries)
      : quota.withReserved(jobs, () => store(entries)));
    return c.json(body, status, isReplay ? { "Idempotency-Replayed": "true" } : {});
  }
}

/** Returns the entries with the jobs that Postgres refused as rejected. */
function without(entries: readonly ParsedEntry[], refused: ReadonlySet<NewJob>): ParsedEntry[] {
  return entries.map((entry) =>
    entry.status === "ok" && refused.has(entry.job)
      ? { status: "rejected", problem: toProblem("unstorable-json") }
      : entry,
  );
}

function toFormat(contentType: string | undefined): BulkFormat {
  const mediaType = contentType?.split(";")[0]?.trim().toLowerCase();
  if (mediaType === "application/json") return jsonArray;
  if (mediaType === "application/x-ndjson") return ndjson;
  throw new ProblemError(
    "unsupported-media-type",
    "Send application/json or application/x-ndjson.",
  );
}

function refuseIfAnyRejected(entries: readonly ParsedEntry[]) {
  const results = entries.flatMap((entry, index): BulkEntry[] =>
    entry.status === "rejected" ? [{ index, outcome: "rejected", problem: entry.problem }] : [],
  );
  if (results.length === 0) return;
  const counts = { created: 0, duplicate: 0, rejected: results.length };
  throw new ProblemError(
    "invalid-bulk",
    "Send the request with atomicity=partial to store the valid entries.",
    undefined,
    { members: { counts, results } satisfies Pick<BulkProblem, "counts" | "results"> },
  );
}

function toCheck(entries: readonly ParsedEntry[]): BulkCheck {
  const counts = { valid: 0, rejected: 0 };
  const results = entries.map((entry, index): BulkCheck["results"][number] => {
    if (entry.status === "ok") {
      counts.valid += 1;
      return { index, outcome: "valid" };
    }
    counts.rejected += 1;
    return { index, outcome: "rejected", problem: entry.problem };
  });
  return { dryRun: true, counts, results };
}

function toResponse(
  entries: readonly ParsedEntry[],
  accepted: readonly Accepted[],
  isDispatched: boolean,
): BulkResponse {
  const counts = { created: 0, duplicate: 0, rejected: 0 };
  const jobs = accepted.values();
  const results = entries.map((entry, index): BulkEntry => {
    if (entry.status === "rejected") {
      counts.rejected += 1;
      return { index, outcome: "rejected", problem: entry.problem };
    }
    const { value } = jobs.next();
    if (value === undefined) throw new Error("an entry has no outcome");
    counts[value.job.outcome] += 1;
    return { index, outcome: value.job.outcome, id: value.job.id };
  });
  return {
    body: { counts, results },
    status: counts.rejected > 0 ? 207 : isDispatched ? 201 : 202,
  };
}
