import type { z } from "zod";
import { createNewJob, type Origin } from "../jobs/enqueue/new-job.ts";
import type { JobTemplate } from "../../api/jobs/job-request.ts";
import { parseSafely } from "../../api/job-data/parse-safely.ts";
import type { FieldError } from "../../api/json/json.ts";
import { fieldErrors, type ProblemKind } from "../../api/problem.ts";
import type { JobTypeRegistry } from "../../api/registry.ts";
import type { KeyRing } from "../secrets/key-ring.ts";
import { createScrub } from "../secrets/scrub.ts";
import { secretShown } from "../../api/job-data/secret-fields.ts";
import { type ScheduleDefinition, type Timing, timingLimits } from "../../api/schedule.ts";
import { cronFault } from "./cron.ts";
import { isTimeZone } from "./zone.ts";

export type CheckedDefinition =
  | { status: "ok"; definition: ScheduleDefinition }
  | { status: "refused"; kind: ProblemKind; detail?: string | undefined; errors: FieldError[] };

const dataPath = ["job", "data"];

/** Validates a schedule definition; its job is validated as if enqueued now by `origin`. */
export function checkDefinition(
  jobTypes: JobTypeRegistry,
  value: unknown,
  origin: Pick<Origin, "tenant" | "callbacks">,
  keys: KeyRing | undefined,
): CheckedDefinition {
  const parsed = parseSafely(jobTypes.schemas.ScheduleDefinition, value, dataPath);
  const errors = findErrors(jobTypes, value, parsed.error?.issues);
  if (!parsed.success || errors.length > 0) {
    return { status: "refused", kind: "invalid-schedule", errors };
  }
  const shown = findShown(jobTypes, parsed.data.job);
  if (shown.length > 0) return { status: "refused", kind: "invalid-schedule", errors: shown };
  const made = createNewJob(jobTypes, parsed.data.job, origin, keys);
  if (made.status === "ok") return { status: "ok", definition: parsed.data };
  const { kind, detail, errors: jobErrors = [{ pointer: "", detail: detail ?? "" }] } = made;
  return {
    status: "refused",
    kind: kind === "invalid-job" ? "invalid-schedule" : kind,
    detail,
    errors: jobErrors.map((error) => ({ ...error, pointer: `/job${error.pointer}` })),
  };
}

/** Rejects a definition that was read from the API: its secrets are redacted. */
function findShown(jobTypes: JobTypeRegistry, job: JobTemplate): FieldError[] {
  const { type, data, callbackUrl } = job;
  const secrets = jobTypes.find(type)?.findSecrets?.(data) ?? [];
  const pointers = secrets
    .filter(({ holder, name }) => holder[name] === secretShown)
    .map(({ pointer }) => `/data${pointer}`);
  if (callbackUrl?.endsWith(`?${secretShown}`)) pointers.push("/callbackUrl");
  return pointers.map((pointer) => ({
    pointer: `/job${pointer}`,
    detail: "The redacted placeholder was sent instead of the secret.",
  }));
}

export type CheckedTiming =
  | { status: "ok"; timing: Timing }
  | Extract<CheckedDefinition, { status: "refused" }>;

/**
 * Validates a definition without access to the stores, and so without the webhooks that permit a callback URL. The job is
 * optional.
 */
export function checkPreviewed(
  jobTypes: JobTypeRegistry,
  value: unknown,
  tenant: string,
  keys: KeyRing | undefined,
): CheckedTiming {
  if (toFields(value)["job"] !== undefined) {
    const callbacks = { receivers: [], isOptional: true };
    const checked = checkDefinition(jobTypes, value, { tenant, callbacks }, keys);
    return checked.status === "ok" ? { status: "ok", timing: checked.definition } : checked;
  }
  const parsed = parseSafely(jobTypes.schemas.PreviewedDefinition, value, dataPath);
  const errors = findErrors(jobTypes, value, parsed.error?.issues);
  return parsed.success && errors.length === 0
    ? { status: "ok", timing: parsed.data }
    : { status: "refused", kind: "invalid-schedule", errors };
}

function findErrors(
  jobTypes: JobTypeRegistry,
  value: unknown,
  issues: readonly z.core.$ZodIssue[] = [],
): FieldError[] {
  return withoutSecrets(jobTypes, value, [...findTimingErrors(value), ...fieldErrors(issues)]);
}

/** Checks the cron expression and the time zone; their lengths and types are errors of the schema. */
function findTimingErrors(value: unknown): FieldError[] {
  const { cron, timeZone } = toFields(value);
  const errors: FieldError[] = [];
  if (typeof cron === "string" && cron.length <= timingLimits.cron) {
    const detail = cronFault(cron);
    if (detail !== undefined) errors.push({ pointer: "/cron", detail });
  }
  if (typeof timeZone === "string" && timeZone.length <= timingLimits.timeZone) {
    const detail = "Not a time zone of the IANA database.";
    if (!isTimeZone(timeZone)) errors.push({ pointer: "/timeZone", detail });
  }
  return errors;
}

function withoutSecrets(
  jobTypes: JobTypeRegistry,
  value: unknown,
  errors: FieldError[],
): FieldError[] {
  const { type, data } = toFields(toFields(value)["job"]);
  const findSecrets = typeof type === "string" ? jobTypes.find(type)?.findSecrets : undefined;
  const scrub = findSecrets && createScrub(data, findSecrets);
  return scrub ? errors.map((error) => ({ ...error, detail: scrub.text(error.detail) })) : errors;
}

function toFields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
