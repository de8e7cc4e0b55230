import type { JobType } from "@toril/contract/api/job-type";
import { type Scrub, createScrub } from "@toril/contract/engine/secrets/scrub";
import { z } from "zod";
import { NonRetryableError, type HandlerContext, type HandlerMap } from "../handler.ts";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { openData } from "@toril/contract/engine/secrets/secret-data";
import { type ActiveJob, TimedOutError } from "../active-jobs.ts";

export type OpenedSecrets =
  /** `scrub` removes the secrets again; undefined when the data has no secrets. */
  | { status: "ok"; data: unknown; scrub: Scrub | undefined }
  | { status: "unknown-key"; keyId: string; detail: string }
  | { status: "tampered"; detail: string };

/** Decrypts the data of a job for its handler. */
export function openSecrets(
  { type, findSecrets }: JobType,
  id: string,
  data: unknown,
  keys: KeyRing | undefined,
): OpenedSecrets {
  if (findSecrets === undefined) return { status: "ok", data, scrub: undefined };
  const opened = openData(data, { id, type }, findSecrets, keys);
  if (opened.status === "ok") {
    return { ...opened, scrub: createScrub(opened.data, findSecrets) };
  }
  return opened.status === "unknown-key"
    ? {
        ...opened,
        detail: `The secret at ${opened.pointer} needs the key ${opened.keyId}, which is not in SECRET_KEYS.`,
      }
    : {
        ...opened,
        detail: `The secret at ${opened.pointer} was altered or belongs to another job.`,
      };
}

export type HandlerResult =
  /** `result` is JSON text. */
  { status: "completed"; result: string } | { status: "failed"; thrown: unknown };

/**
 * Parses the data, runs the handler and parses its result.
 * @param scrub removes the data's secrets from the result
 */
export async function runHandler(
  handlers: HandlerMap,
  jobType: JobType,
  data: unknown,
  context: HandlerContext,
  scrub?: Scrub,
): Promise<HandlerResult> {
  const parsed = jobType.data.safeParse(data);
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
