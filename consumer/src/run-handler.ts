import type { JobType } from "@toril/contract/job-type";
import type { JobTypeName } from "@toril/contract/jobs";
import { z } from "zod";
import { GiveUp, type HandlerContext, type Handlers } from "./handler.ts";

export type Ran =
  /** `result` is JSON text. */
  { status: "completed"; result: string } | { status: "failed"; thrown: unknown };

/** Parses the data, runs the handler, parses its result. */
export async function runHandler(
  handlers: Handlers,
  jobType: JobType<JobTypeName>,
  data: unknown,
  context: HandlerContext,
): Promise<Ran> {
  const parsed = jobType.data.safeParse(data);
  if (!parsed.success) {
    return {
      status: "failed",
      thrown: new GiveUp(`The data does not fit its type: ${z.prettifyError(parsed.error)}`),
    };
  }
  try {
    const handle = anyHandler(handlers, jobType.type);
    const result = jobType.result.parse(await handle(parsed.data, context));
    return { status: "completed", result: toJson(result) };
  } catch (thrown) {
    return { status: "failed", thrown };
  }
}

/** Sound for data that the schema of `type` made. */
function anyHandler(handlers: Handlers, type: JobTypeName) {
  return handlers[type] as (data: unknown, context: HandlerContext) => Promise<unknown>;
}

function toJson(result: unknown) {
  try {
    return JSON.stringify(result) ?? "null";
  } catch (error) {
    throw new GiveUp(`The result is not storable: ${error instanceof Error ? error.message : ""}`);
  }
}
