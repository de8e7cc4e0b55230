import { z } from "zod";
import { escapePointer, type FieldError } from "./json.ts";

/** Every kind of error an answer can have: name, HTTP status, title. A closed list: clients switch on it. */
export const problemKinds = {
  "empty-body": { status: 400, title: "The body is empty" },
  "invalid-json": { status: 400, title: "The body is not valid JSON" },
  "incomplete-body": { status: 400, title: "The body ended early" },
  "invalid-parameter": {
    status: 400,
    title: "A parameter of the address or a header is not valid",
  },
  unauthenticated: { status: 401, title: "A valid key is needed" },
  "insufficient-scope": { status: 403, title: "The key lacks a scope" },
  "out-of-reach": { status: 403, title: "The key is limited to other queues or types" },
  "job-not-found": { status: 404, title: "No such job" },
  "import-not-found": { status: 404, title: "No such import" },
  "key-not-found": { status: 404, title: "No such key" },
  "queue-not-found": { status: 404, title: "No such queue" },
  "dead-letter-not-found": { status: 404, title: "No such dead letter" },
  "operation-not-found": { status: 404, title: "No such operation" },
  "schedule-not-found": { status: 404, title: "No such schedule" },
  "unknown-type": { status: 404, title: "No such job type" },
  "not-found": { status: 404, title: "Nothing is served here" },
  "method-not-allowed": { status: 405, title: "Not with this method" },
  "idempotency-key-in-use": {
    status: 409,
    title: "The first request with this Idempotency-Key is still being answered",
  },
  "job-pending": { status: 409, title: "The job has not ended" },
  "job-active": { status: 409, title: "A worker has the job" },
  "job-not-delayed": { status: 409, title: "The job is not delayed" },
  "key-taken": { status: 409, title: "A pending job has the key of this one" },
  "job-ended": { status: 409, title: "The job has ended" },
  "operation-ended": { status: 409, title: "The operation has ended" },
  "too-many-schedules": { status: 409, title: "The tenant has as many schedules as it may have" },
  "too-many-operations": {
    status: 409,
    title: "The tenant has as many open operations as it may have",
  },
  "answer-not-kept": {
    status: 409,
    title: "The first request with this Idempotency-Key was carried out; its answer holds a secret",
  },
  "key-ended": { status: 409, title: "The key was revoked or has expired" },
  "job-gone": { status: 410, title: "Jobs of that age that have ended were deleted" },
  "import-gone": { status: 410, title: "Imports of that age were deleted" },
  "precondition-failed": { status: 412, title: "It was changed meanwhile" },
  "body-too-large": { status: 413, title: "The body is too large" },
  "data-too-large": { status: 413, title: "The data of the job is too large" },
  "too-many-entries": { status: 413, title: "Too many entries in one request" },
  "unsupported-media-type": { status: 415, title: "This media type is not understood here" },
  "invalid-job": { status: 422, title: "The job does not match its schema" },
  "invalid-bulk": { status: 422, title: "An entry was rejected, so none was stored" },
  "invalid-key": { status: 422, title: "The key does not match its schema" },
  "invalid-request": { status: 422, title: "The body does not match its schema" },
  "invalid-operation": { status: 422, title: "The operation does not match its schema" },
  "invalid-schedule": { status: 422, title: "The schedule does not match its schema" },
  "unstorable-json": { status: 422, title: "The JSON cannot be stored exactly" },
  "unstorable-secret": {
    status: 422,
    title: "A secret cannot be stored here: no keys are configured",
  },
  "invalid-csv": { status: 422, title: "The CSV cannot be read" },
  "invalid-feed": { status: 422, title: "The feed cannot be read" },
  "idempotency-key-reused": {
    status: 422,
    title: "This Idempotency-Key was used for another request",
  },
  "precondition-required": { status: 428, title: "Say which version is to be changed" },
  "too-many-wrong-keys": { status: 429, title: "Too many wrong keys from this address" },
  "quota-exceeded": { status: 429, title: "The quota of the key is used up" },
  "internal-error": { status: 500, title: "Something went wrong here" },
  "at-capacity": { status: 503, title: "At capacity, or a store is away" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemKind = keyof typeof problemKinds;

const kinds = Object.keys(problemKinds) as [ProblemKind, ...ProblemKind[]];

const FieldErrorSchema = z
  .strictObject({
    pointer: z.string().meta({ description: "JSON Pointer into the body (RFC 6901)" }),
    detail: z.string(),
  })
  .meta({ id: "FieldError" });

/** The body of every error (RFC 9457). */
export const Problem = z
  .strictObject({
    type: z
      .enum(kinds.map(problemType))
      .meta({ description: "Which kind of problem; a closed list" }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().optional(),
    instance: z.string().optional().meta({ description: "The path that was asked" }),
    requestId: z
      .string()
      .optional()
      .meta({ description: "X-Request-Id of the answer; in every log line" }),
    errors: z.array(FieldErrorSchema).optional(),
  })
  .meta({
    id: "Problem",
    example: {
      type: "urn:toril:problem:invalid-job",
      title: "The job does not match its schema",
      status: 422,
      errors: [
        { pointer: "/data/message", detail: "Invalid input: expected string, received number" },
      ],
    },
  });
export type Problem = z.infer<typeof Problem>;

export function problemType(kind: ProblemKind): string {
  return `urn:toril:problem:${kind}`;
}

/** A problem without the request it belongs to, as entries of a bulk and lines of an import carry it. */
export function problemOf(kind: ProblemKind, detail?: string, errors?: FieldError[]): Problem {
  const { status, title } = problemKinds[kind];
  return {
    type: problemType(kind),
    title,
    status,
    ...(detail === undefined ? {} : { detail }),
    ...(errors === undefined ? {} : { errors }),
  };
}

/** A body can have a hundred thousand unknown fields; nobody reads so many. */
const maxFieldErrors = 25;

/** What is wrong by the choice whose type fits: of an object that may be null, what is wrong with the object. */
function nearestChoice({ errors }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | undefined {
  const isOfAnotherType = (choice: z.core.$ZodIssue[]) =>
    choice.some(({ code, path }) => code === "invalid_type" && path.length === 0);
  return errors.find((choice) => !isOfAnotherType(choice)) ?? errors[0];
}

/** zod's issues as field errors, below `base` in the document. */
export function fieldErrors(issues: readonly z.core.$ZodIssue[], base = ""): FieldError[] {
  const errors = issues.flatMap((issue) => {
    const pointer = base + issue.path.map((part) => `/${escapePointer(String(part))}`).join("");
    const choice = issue.code === "invalid_union" ? nearestChoice(issue) : undefined;
    if (choice !== undefined) return fieldErrors(choice, pointer);
    if (issue.code !== "unrecognized_keys") return [{ pointer, detail: issue.message }];
    return issue.keys.map((key) => ({
      pointer: `${pointer}/${escapePointer(key)}`,
      detail: "Unknown field.",
    }));
  });
  return errors.slice(0, maxFieldErrors);
}
