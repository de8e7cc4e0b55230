import type { JobType } from "@toril/contract/api/job-type";
import type { JobTypeName } from "@toril/contract/api/job-types/index";
import type { Scrub } from "@toril/contract/engine/secrets/scrub";
import { z } from "zod";
import { NonRetryableError, type HandlerContext, type Handlers } from "./handler.ts";

export type HandlerResult =
  /** `result` is JSON text. */
  { status: "completed"; result: string } | { status: "failed"; thrown: unknown };

/**
 * Parses the data, runs the handler and parses its result.
 * @param scrub removes the data's secrets from the result
 */
export async function runHandler(
  handlers: Handlers,
  jobType: JobType<JobTypeName>,
  data: unknown,
  context: HandlerContext,
  scrub?: Scrub,
): Promise<HandlerResult> {
  const parsed = jobType.data.safeParse(data);
  if (!parsed.success) {
    return {
      status: "failed",
      thrown: new NonRetryableError(
        `The data does not fit its type: ${z.prettifyError(parsed.error)}`,
      ),
    };
  }
  try {
    const handle = getHandler(handlers, jobType.type);
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

/** Safe for data that the schema of `type` parsed. */
function getHandler(handlers: Handlers, type: JobTypeName) {
  return handlers[type] as (data: unknown, context: HandlerContext) => Promise<unknown>;
}

function toJson(result: unknown) {
  try {
    return JSON.stringify(result) ?? "null";
  } catch (error) {
    throw new NonRetryableError(
      `The result is not storable: ${error instanceof Error ? error.message : ""}`,
    );
  }
}
