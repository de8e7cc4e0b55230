import { z } from "zod";
import { escapePointer, type FieldError } from "./json/json.ts";

/** All problem types with HTTP status and title. A closed list, so that clients can switch on it. */
export const problemKinds = {
  "empty-body": { status: 400, title: "The body is empty" },
  "invalid-json": { status: 400, title: "The body is not valid JSON" },
  "incomplete-body": { status: 400, title: "The body is incomplete" },
  "digest-mismatch": { status: 400, title: "The body does not match its Content-Digest" },
  "invalid-parameter": {
    status: 400,
    title: "Invalid parameter or header",
  },
  unauthenticated: { status: 401, title: "Authentication required" },
  "insufficient-scope": { status: 403, title: "Insufficient scope" },
  "forbidden-resource": { status: 403, title: "The key may not access this queue or job type" },
  "job-not-found": { status: 404, title: "Job not found" },
  "import-not-found": { status: 404, title: "Import not found" },
  "key-not-found": { status: 404, title: "API key not found" },
  "queue-not-found": { status: 404, title: "Queue not found" },
  "dead-letter-not-found": { status: 404, title: "Dead letter not found" },
  "operation-not-found": { status: 404, title: "Operation not found" },
  "feed-not-found": { status: 404, title: "Feed not found" },
  "schedule-not-found": { status: 404, title: "Schedule not found" },
  "push-endpoint-not-found": { status: 404, title: "The job type has no push endpoint" },
  "webhook-not-found": { status: 404, title: "Webhook not found" },
  "webhook-delivery-not-found": { status: 404, title: "Webhook delivery not found" },
  "job-type-not-found": { status: 404, title: "Job type not found" },
  "history-not-configured": { status: 404, title: "No Prometheus is configured" },
  "not-found": { status: 404, title: "Not found" },
  "method-not-allowed": { status: 405, title: "Method not allowed" },
  "idempotency-key-in-use": {
    status: 409,
    title: "A request with this Idempotency-Key is in progress",
  },
  "job-pending": { status: 409, title: "The job is pending" },
  "job-active": { status: 409, title: "The job is active" },
  "job-not-delayed": { status: 409, title: "The job is not delayed" },
  "key-taken": { status: 409, title: "Another pending job has the same key" },
  "job-ended": { status: 409, title: "The job is finished" },
  "operation-ended": { status: 409, title: "The operation is finished" },
  "too-many-schedules": { status: 409, title: "Too many schedules" },
  "job-type-conflict": {
    status: 409,
    title: "The job type or its queue is defined in code or belongs to others",
  },
  "job-type-in-use": { status: 409, title: "The job type is in use" },
  "breaking-change": { status: 409, title: "The change breaks pending or scheduled jobs" },
  "too-many-job-types": { status: 409, title: "Too many job types" },
  "too-many-webhooks": { status: 409, title: "Too many webhooks" },
  "webhook-disabled": { status: 409, title: "The webhook is disabled" },
  "too-many-operations": {
    status: 409,
    title: "Too many open operations",
  },
  "import-exists": { status: 409, title: "An import with this ID already exists" },
  "import-part-exists": { status: 409, title: "The part was received with other content" },
  "import-part-in-use": { status: 409, title: "The part is being received" },
  "import-header-missing": { status: 409, title: "The columns are not known yet: send part 1" },
  "import-incomplete": { status: 409, title: "Parts of the import are missing" },
  "import-ended": { status: 409, title: "The import is finished or cancelled" },
  "response-not-replayable": {
    status: 409,
    title: "The original response contains a secret and cannot be replayed",
  },
  "last-admin-key": {
    status: 409,
    title: "The tenant would have no valid API key with keys:admin",
  },
  "key-ended": { status: 409, title: "The API key is revoked or expired" },
  "job-gone": { status: 410, title: "The job was deleted by retention" },
  "import-gone": { status: 410, title: "The import was deleted by retention" },
  "precondition-failed": { status: 412, title: "Precondition failed" },
  "body-too-large": { status: 413, title: "The body is too large" },
  "data-too-large": { status: 413, title: "The data of the job is too large" },
  "too-many-entries": { status: 413, title: "Too many entries in one request" },
  "unsupported-media-type": { status: 415, title: "Unsupported media type" },
  "invalid-job": { status: 422, title: "The job does not match its schema" },
  "invalid-bulk": { status: 422, title: "An entry was rejected; no entry was stored" },
  "invalid-key": { status: 422, title: "The key does not match its schema" },
  "invalid-request": { status: 422, title: "The body does not match its schema" },
  "invalid-operation": { status: 422, title: "The operation does not match its schema" },
  "invalid-job-type": { status: 422, title: "The job type does not match its schema" },
  "invalid-schedule": { status: 422, title: "The schedule does not match its schema" },
  "invalid-webhook": { status: 422, title: "The webhook does not match its schema" },
  "unstorable-json": { status: 422, title: "The JSON cannot be stored exactly" },
  "unstorable-secret": {
    status: 422,
    title: "Secrets cannot be stored: no encryption key is configured",
  },
  "invalid-csv": { status: 422, title: "The CSV cannot be read" },
  "too-many-errors": { status: 422, title: "More rows were rejected than the import allows" },
  "invalid-import": { status: 422, title: "The import does not match its schema" },
  "invalid-xlsx": { status: 422, title: "The workbook cannot be read" },
  "invalid-feed": { status: 422, title: "The feed cannot be read" },
  "idempotency-key-reused": {
    status: 422,
    title: "The Idempotency-Key was used for a different request",
  },
  "precondition-required": { status: 428, title: "Precondition required" },
  "too-many-failed-logins": { status: 429, title: "Too many failed logins from this address" },
  "quota-exceeded": { status: 429, title: "Quota exceeded" },
  "internal-error": { status: 500, title: "Internal server error" },
  "history-unavailable": { status: 502, title: "Prometheus did not return the history" },
  "at-capacity": { status: 503, title: "Service unavailable or at capacity" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemKind = keyof typeof problemKinds;

const kinds = Object.keys(problemKinds) as [ProblemKind, ...ProblemKind[]];

/** An error of one field. */
export const FieldErrorSchema = z
  .strictObject({
    pointer: z.string().meta({ description: "JSON Pointer into the body (RFC 6901)" }),
    detail: z.string(),
  })
  .meta({ id: "FieldError" });

/** The body of every error (RFC 9457). */
export const Problem = z
  .strictObject({
    type: z.enum(kinds.map(problemType)).meta({ description: "Problem type; a closed list" }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().optional(),
    instance: z.string().optional().meta({ description: "Path of the request" }),
    requestId: z.string().optional().meta({
      description: "`X-Request-Id` of the response, also included in the log lines of the request",
    }),
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

/** Builds a problem without request fields (`instance`, `requestId`), as used in bulk entries and import lines. */
export function toProblem(kind: ProblemKind, detail?: string, errors?: FieldError[]): Problem {
  const { status, title } = problemKinds[kind];
  return {
    type: problemType(kind),
    title,
    status,
    ...(detail === undefined ? {} : { detail }),
    ...(errors === undefined ? {} : { errors }),
  };
}

/** Limits the errors of a response: a body can have a hundred thousand unknown fields. */
const maxFieldErrors = 25;

/** Returns the issues of the first choice of a union whose type matches: for a nullable object, those of the object. */
function nearestChoice({ errors }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | undefined {
  const isOfAnotherType = (choice: z.core.$ZodIssue[]) =>
    choice.some(({ code, path }) => code === "invalid_type" && path.length === 0);
  return errors.find((choice) => !isOfAnotherType(choice)) ?? errors[0];
}

/** Converts zod issues to at most 25 field errors. `base` is the JSON Pointer of the validated value. */
export function fieldErrors(issues: readonly z.core.$ZodIssue[], base = ""): FieldError[] {
  const errors: FieldError[] = [];
  for (const error of eachError(issues, base)) {
    errors.push(error);
    if (errors.length === maxFieldErrors) break;
  }
  return errors;
}

function* eachError(issues: readonly z.core.$ZodIssue[], base: string): Generator<FieldError> {
  for (const issue of issues) {
    const pointer = base + issue.path.map((part) => `/${escapePointer(String(part))}`).join("");
    const choice = issue.code === "invalid_union" ? nearestChoice(issue) : undefined;
    if (choice !== undefined) yield* eachError(choice, pointer);
    else if (issue.code !== "unrecognized_keys") yield { pointer, detail: issue.message };
    else {
      for (const key of issue.keys) {
        yield { pointer: `${pointer}/${escapePointer(key)}`, detail: "Unknown field." };
      }
    }
  }
}
