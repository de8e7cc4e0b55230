import { parseRecorded } from "@toril/contract/api/job-data/parse-safely";
import type { JobType } from "@toril/contract/api/job-type";
import { type ParsedResult, parseResult } from "@toril/contract/engine/jobs/attempt/parse-result";
import type { Scrub } from "@toril/contract/engine/secrets/scrub";
import { z } from "zod";
import { NonRetryableError, type HandlerContext, type HandlerMap } from "../handler.ts";
import { type ActiveJob, TimedOutError } from "../active-jobs.ts";

export type HandlerResult =
  /** `result` is JSON text. */
  { status: "completed"; result: string } | { status: "failed"; thrown: unknown };

export interface RunHandlerOptions {
  /** Removes the data's secrets from the result. */
  scrub?: Scrub | undefined;
  /** Loads the newest version of a registered type; resolves to undefined if that failed. */
  refreshType?(type: string): Promise<JobType | undefined>;
}

/** Parses the data, runs the handler and parses its result. */
export async function runHandler(
  handlers: Pick<HandlerMap, "get">,
  jobType: JobType,
  data: unknown,
  context: HandlerContext,
  { scrub, refreshType }: RunHandlerOptions = {},
): Promise<HandlerResult> {
  const parsed = parseRecorded(jobType, data);
  if (!parsed.success) {
    return {
      status: "failed",
      thrown: new NonRetryableError(
        `The data does not match the schema of the job type: ${z.prettifyError(parsed.error)}`,
      ),
    };
  }
  try {
    const handle = handlers.get(jobType.type);
    if (handle === undefined) throw new Error(`no handler for the job type ${jobType.type}`);
    const result = await handle(parsed.data, context);
    const known = parseResult(jobType, result);
    const text =
      known.status === "ok" ? known.text : await parseAgain(jobType, result, known, refreshType);
    return {
      status: "completed",
      result: scrub ? JSON.stringify(scrub.value(JSON.parse(text))) : text,
    };
  } catch (thrown) {
    return { status: "failed", thrown };
  }
}

/** The result may fit a version of its type that was registered a moment ago. */
async function parseAgain(
  jobType: JobType,
  result: unknown,
  { detail }: ParsedResult & { status: "invalid" },
  refreshType: RunHandlerOptions["refreshType"],
): Promise<string> {
  const newest = jobType.isRegistered ? await refreshType?.(jobType.type) : undefined;
  if (newest === undefined) throw new InvalidResultError(detail);
  const parsed = parseResult(newest, result);
  if (parsed.status === "ok") return parsed.text;
  throw new InvalidResultError(parsed.detail);
}

class InvalidResultError extends Error {
  override readonly name = "InvalidResult";
}

/** Time for an aborted handler to end. A handler that does not end is abandoned, and its attempt has failed. */
const graceMs = 1000;

/** Runs a handler and aborts its signal after `timeoutMs`. */
export async function runWithTimeout(
  active: ActiveJob,
  timeoutMs: number,
  run: () => Promise<HandlerResult>,
): Promise<HandlerResult> {
  const thrown = new TimedOutError(timeoutMs);
  const { promise: timedOut, resolve } = Promise.withResolvers<HandlerResult>();
  const abandon = () => resolve({ status: "failed", thrown });
  let timer = setTimeout(() => {
    active.abort(thrown);
    timer = setTimeout(abandon, graceMs);
  }, timeoutMs);
  try {
    const result = await Promise.race([run(), timedOut]);
    return result.status === "failed" && active.reason === thrown
      ? { status: "failed", thrown }
      : result;
  } finally {
    clearTimeout(timer);
  }
}
