import { parseRecorded } from "@toril/contract/api/job-data/parse-safely";
import type { JobType } from "@toril/contract/api/job-type";
import type { Scrub } from "@toril/contract/engine/secrets/scrub";
import { z } from "zod";
import { NonRetryableError, type HandlerContext, type HandlerMap } from "../handler.ts";
import { type ActiveJob, TimedOutError } from "../active-jobs.ts";

export type HandlerResult =
  /** `result` is JSON text. */
  { status: "completed"; result: string } | { status: "failed"; thrown: unknown };

/**
 * Parses the data, runs the handler and parses its result.
 * @param scrub removes the data's secrets from the result
 */
export async function runHandler(
  handlers: Pick<HandlerMap, "get">,
  jobType: JobType,
  data: unknown,
  context: HandlerContext,
  scrub?: Scrub,
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
    const result = jobType.result.parse(await handle(parsed.data, context));
    const text = toJson(result);
    return {
      status: "completed",
      result: scrub ? JSON.stringify(scrub.value(JSON.parse(text))) : text,
    };
  } catch (thrown) {
    return { status: "failed", thrown };
  }
}

function toJson(result: unknown) {
  try {
    return JSON.stringify(result) ?? "null";
  } catch (error) {
    throw new NonRetryableError(
      `The result cannot be stored: ${error instanceof Error ? error.message : ""}`,
    );
  }
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
