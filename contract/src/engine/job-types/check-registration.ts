import { JobTypeRegistration } from "../../api/job-type-registration.ts";
import type { FieldError } from "../../api/json/json.ts";
import { fieldErrors } from "../../api/problem.ts";
import { checkSchema } from "./check-schema.ts";

export type CheckedRegistration =
  | { status: "ok"; registration: JobTypeRegistration }
  | { status: "refused"; errors: FieldError[] };

const maxErrors = 25;

/** Validates the registration of a job type, including its JSON Schemas. */
export function checkRegistration(value: unknown): CheckedRegistration {
  const parsed = JobTypeRegistration.safeParse(value);
  if (!parsed.success) return { status: "refused", errors: fieldErrors(parsed.error.issues) };
  const registration = parsed.data;
  const { data, result } = registration;
  const errors = [
    ...checkSchema(data, "/data"),
    ...(result === undefined ? [] : checkSchema(result, "/result")),
    ...findConflicts(registration),
  ];
  return errors.length === 0
    ? { status: "ok", registration }
    : { status: "refused", errors: errors.slice(0, maxErrors) };
}

/** Finds fields that would reveal a secret, and options that the kind of worker does not support. */
function findConflicts(registration: JobTypeRegistration): FieldError[] {
  const { worker, secret = [], searchable = [], rateLimit, timeoutMs, push } = registration;
  const errors: FieldError[] = [];
  const isSecret = (pointer: string) =>
    secret.some((one) => isWithin(pointer, one) || isWithin(one, pointer));
  for (const [index, pointer] of searchable.entries()) {
    if (!isSecret(pointer)) continue;
    errors.push({ pointer: `/searchable/${index}`, detail: "A secret cannot be searched." });
  }
  if (rateLimit !== undefined && isSecret(rateLimit.key)) {
    errors.push({
      pointer: "/rateLimit/key",
      detail: "A secret cannot be the key of a rate limit.",
    });
  }
  if ((worker === "push") !== (push !== undefined)) {
    const reason =
      push === undefined ? "Required with the worker push." : "Requires the worker push.";
    errors.push({ pointer: "/push", detail: reason });
  }
  if (worker !== "bullmq") return errors;
  const detail = "Stock BullMQ workers do not apply it.";
  if (rateLimit !== undefined) errors.push({ pointer: "/rateLimit", detail });
  if (timeoutMs !== undefined) errors.push({ pointer: "/timeoutMs", detail });
  if (secret.length > 0) {
    const reason = "Stock BullMQ workers cannot decrypt secrets.";
    errors.push({ pointer: "/secret", detail: reason });
  }
  return errors;
}

/** Whether a field is another one, or within it. */
function isWithin(pointer: string, outer: string) {
  return pointer === outer || pointer.startsWith(`${outer}/`);
}
