import type { Callbacks } from "@toril/contract/engine/webhooks/callbacks";
import { insertThenJob } from "@toril/contract/engine/jobs/graph/then-job";
import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { ISql } from "postgres";
import { findJobType, getOrigin, requirePermitted } from "../http/caller.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { FindCallbacks } from "../webhooks/find-callbacks.ts";
import { parseJob } from "./parse-job.ts";

export interface ThenJobDeps {
  secretKeys: KeyRing | undefined;
  findCallbacks: FindCallbacks;
}

/** Parses the job that runs when a batch is done. Throws a problem if it is invalid or the caller may not enqueue it. */
export async function parseThenJob(
  context: RequestContext,
  value: unknown,
  { secretKeys, findCallbacks }: ThenJobDeps,
): Promise<NewJob> {
  const { type, callbackUrl } = (value ?? {}) as { type?: unknown; callbackUrl?: unknown };
  if (typeof type === "string") await findJobType(context, type);
  const callbacks: Callbacks | undefined =
    callbackUrl === undefined ? undefined : await findCallbacks(context);
  const { jobTypes } = context;
  const origin = { ...getOrigin(context), callbacks };
  const job = parseJob(value, "/then", { jobTypes, origin, secretKeys });
  requirePermitted(context, job);
  return job;
}

/** Inserts the job in the transaction that accepts its batch. Throws a problem if another job has its key. */
export async function insertThen(tx: ISql, job: NewJob): Promise<void> {
  const existing = await insertThenJob(tx, job);
  if (existing !== undefined) throw toKeyTaken("/then", existing);
}

/**
 * @param pointer of the job whose key is taken
 * @param existing the id of the job that has the key
 */
export function toKeyTaken(pointer: string, existing: string): ProblemError {
  const detail = `The job ${existing} has this key.`;
  return new ProblemError("key-taken", undefined, [{ pointer: `${pointer}/key`, detail }]);
}
