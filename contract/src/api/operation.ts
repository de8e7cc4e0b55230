import { z } from "zod";
import { DryRunAnswer, JobStatus, limits } from "./job.ts";
import { jobTypeNames } from "./job-types/index.ts";

export const OperationAction = z.enum(["cancel", "retry", "promote", "delete"]);
export type OperationAction = z.infer<typeof OperationAction>;

const time = z.iso.datetime({ offset: true });

/** Which jobs: those that all of it is true of. */
export const JobSelection = z
  .strictObject({
    type: z.enum(jobTypeNames).optional(),
    queue: z.string().min(1).max(100).optional(),
    status: JobStatus.optional(),
    key: z.string().min(1).max(limits.keyLength).optional(),
    label: z.string().min(1).max(limits.labelLength).optional(),
    importId: z.uuid().optional(),
    schedule: z.string().min(1).max(255).optional(),
    reason: z.string().min(1).max(200).optional().meta({
      description: "Of dead letters: as `GET /v1/dead-letters/summary` tells it",
    }),
    createdAfter: time.optional(),
    createdBefore: time.optional(),
  })
  .meta({ id: "JobSelection", example: { type: "echo", label: "nightly" } });
export type JobSelection = z.infer<typeof JobSelection>;

/** In which status jobs can be done this to; without `status` in the filter, the first. */
const statusesOf: Record<OperationAction, readonly JobStatus[]> = {
  cancel: ["pending"],
  promote: ["pending"],
  retry: ["dead", "completed", "cancelled", "expired"],
  delete: ["dead"],
};

export function statusOf(action: OperationAction, { status }: JobSelection): JobStatus {
  return status ?? statusesOf[action][0] ?? "pending";
}

const all = z.boolean().optional().meta({
  description:
    "true: really every job, which takes an empty filter. Needed with one, unless `dryRun` is true",
});
const dryRun = z.boolean().optional().meta({
  description: "true: says how many, and changes none",
});

interface Selecting {
  filter?: Partial<JobSelection> | undefined;
  all?: boolean | undefined;
  dryRun?: boolean | undefined;
}

/** A filter that a bug has left empty must not select every job. */
function checkAll({ filter = {}, all, dryRun }: Selecting, context: z.RefinementCtx) {
  // A status says what can be done, and selects all the same.
  const isEmpty = Object.keys(filter).every((name) => name === "status");
  if (isEmpty && !all && !dryRun) {
    const message = "The filter selects every job: send `all: true` if that is meant.";
    context.addIssue({ code: "custom", path: ["all"], message });
  }
  if (!isEmpty && all) {
    const message = "`all` and a filter are mutually exclusive.";
    context.addIssue({ code: "custom", path: ["all"], message });
  }
}

const ratePerSecond = z.int().min(1).max(10_000).optional().meta({
  description:
    "Jobs a second at most; by default as many as half of the time of one connection does",
});

export const OperationRequest = z
  .strictObject({
    action: OperationAction.meta({
      description:
        "cancel and promote: of pending jobs. retry: of dead ones, or of those with the `status` asked for. delete: of dead ones",
    }),
    filter: JobSelection,
    all,
    ratePerSecond,
    dryRun,
  })
  .refine(({ action, filter: { status } }) => !status || statusesOf[action].includes(status), {
    path: ["filter", "status"],
    error: "Not what this can be done to.",
  })
  .superRefine(checkAll)
  .meta({
    id: "OperationRequest",
    example: { action: "retry", filter: { status: "dead", type: "echo" }, ratePerSecond: 100 },
  });
export type OperationRequest = z.infer<typeof OperationRequest>;

/** The same without a status: dead letters are dead. */
const DeadLetterSelection = JobSelection.omit({ status: true }).meta({
  id: "DeadLetterSelection",
  description: "All dead letters that it selects, in the background; instead of `ids`",
  example: { type: "echo", label: "nightly" },
});

export const RedriveRequest = z
  .strictObject({
    ids: z.array(z.uuid()).min(1).max(1000).optional().meta({
      description: "These dead letters, at once. Everything else is of a filter",
    }),
    filter: DeadLetterSelection.optional(),
    all,
    ratePerSecond,
    dryRun,
  })
  .superRefine((request, context) => {
    const { ids, ...others } = request;
    if (ids === undefined) checkAll(request, context);
    else if (Object.keys(others).length > 0) {
      context.addIssue({ code: "custom", path: ["ids"], message: "Not beside a filter." });
    }
  })
  .meta({
    id: "RedriveRequest",
    minProperties: 1,
    example: { filter: { type: "echo" }, ratePerSecond: 100 },
  });

const count = z.int().min(0);

const OperationStatus = z.enum(["pending", "running", "done", "stopped", "failed"]);

/** Something that is done to many jobs, bit by bit. */
export const Operation = z
  .strictObject({
    id: z.uuid(),
    action: OperationAction,
    filter: JobSelection,
    ratePerSecond: z.int().nullable(),
    status: OperationStatus,
    counts: z.strictObject({ seen: count, changed: count, skipped: count, failed: count }).meta({
      id: "OperationCounts",
      description: "skipped: was not so any more. failed: a pending job has its key",
    }),
    error: z.string().nullable(),
    createdAt: z.iso.datetime(),
    endedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: "Operation" });
export type Operation = z.infer<typeof Operation>;

export const OperationPreview = z
  .strictObject({
    dryRun: DryRunAnswer,
    matches: count,
    isExact: z.boolean().meta({
      description: "false: there are more; no more were counted, or no more jobs were looked at",
    }),
  })
  .meta({ id: "OperationPreview" });
export type OperationPreview = z.infer<typeof OperationPreview>;

export const OperationPage = z
  .strictObject({ items: z.array(Operation), next: z.string().nullable() })
  .meta({ id: "OperationPage" });
