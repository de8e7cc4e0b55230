import { z } from "zod";
import { createPage } from "./page.ts";
import { finalStatuses, JobStatus } from "./jobs/job-states.ts";
import { IsDryRun } from "./jobs/accepted-job.ts";
import { limits } from "./limits.ts";

export const OperationAction = z.enum(["cancel", "retry", "promote", "delete"]);
export type OperationAction = z.infer<typeof OperationAction>;

const time = z.iso.datetime({ offset: true });

const selectionMeta = { id: "JobSelection", example: { queue: "default", label: "nightly" } };

/** Filter of jobs; a job must match all fields. */
const JobSelection = z
  .strictObject({
    type: z.string().optional(),
    queue: z.string().min(1).max(100).optional(),
    status: JobStatus.optional(),
    key: z.string().min(1).max(limits.keyLength).optional(),
    label: z.string().min(1).max(limits.labelLength).optional(),
    importId: z.uuid().optional(),
    schedule: z.string().min(1).max(255).optional(),
    reason: z.string().min(1).max(200).optional().meta({
      description: "Reason of a dead letter, as returned by `GET /v1/dead-letters/summary`",
    }),
    createdAfter: time.optional(),
    createdBefore: time.optional(),
  })
  .meta(selectionMeta);
export type JobSelection = z.infer<typeof JobSelection>;

/** The statuses that an action applies to. The first is the default if the filter has no `status`. */
const actionStatuses: Record<OperationAction, readonly JobStatus[]> = {
  cancel: ["pending"],
  promote: ["pending"],
  retry: ["dead", ...finalStatuses.filter((status) => status !== "dead")],
  delete: ["dead"],
};

export function getStatus(action: OperationAction, { status }: JobSelection): JobStatus {
  return status ?? actionStatuses[action][0] ?? "pending";
}

const all = z.boolean().optional().meta({
  description:
    "true: select every job. Required with an empty filter unless `dryRun` is true; mutually exclusive with a filter",
});
const dryRun = z.boolean().optional().meta({
  description: "true: return the number of matching jobs without changing any",
});

interface Selecting {
  filter?: Partial<JobSelection> | undefined;
  all?: boolean | undefined;
  dryRun?: boolean | undefined;
}

/** Requires `all: true` for an empty filter, so that a filter left empty by a bug does not select every job. */
function checkAll({ filter = {}, all, dryRun }: Selecting, context: z.RefinementCtx) {
  // A filter with only a status counts as empty.
  const isEmpty = Object.keys(filter).every((name) => name === "status");
  if (isEmpty && !all && !dryRun) {
    const message = "The filter selects every job: set `all: true` to confirm.";
    context.addIssue({ code: "custom", path: ["all"], message });
  }
  if (!isEmpty && all) {
    const message = "`all` and a filter are mutually exclusive.";
    context.addIssue({ code: "custom", path: ["all"], message });
  }
}

const ratePerSecond = z.int().min(1).max(10_000).optional().meta({
  description:
    "Maximum number of jobs per second; default: as many as possible within half of the time of one database connection",
});

type OperationSchemas = ReturnType<typeof createOperationSchemas>;
export type OperationRequest = z.infer<OperationSchemas["OperationRequest"]>;

/** Creates the schemas of the requests that select jobs. */
export function createOperationSchemas(JobTypeName: z.ZodType<string>) {
  const KnownSelection = JobSelection.extend({ type: JobTypeName.optional() }).meta(selectionMeta);
  /** A filter without `status`, because all dead letters are dead. */
  const DeadLetterSelection = KnownSelection.omit({ status: true }).meta({
    id: "DeadLetterSelection",
    description:
      "Redrive all matching dead letters in the background; mutually exclusive with `ids`",
    example: { queue: "default", label: "nightly" },
  });
  return {
    OperationRequest: z
      .strictObject({
        action: OperationAction.meta({
          description:
            "cancel, promote: applies to pending jobs. retry: applies to dead jobs, or to jobs with the `status` of the filter. delete: applies to dead jobs",
        }),
        filter: KnownSelection,
        all,
        ratePerSecond,
        dryRun,
      })
      .refine(
        ({ action, filter: { status } }) => !status || actionStatuses[action].includes(status),
        {
          path: ["filter", "status"],
          error: "The action does not apply to jobs with this status.",
        },
      )
      .superRefine(checkAll)
      .meta({
        id: "OperationRequest",
        example: {
          action: "retry",
          filter: { status: "dead", queue: "default" },
          ratePerSecond: 100,
        },
      }),
    RedriveRequest: z
      .strictObject({
        ids: z.array(z.uuid()).min(1).max(1000).optional().meta({
          description:
            "IDs of the dead letters to redrive immediately; mutually exclusive with all other fields",
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
          context.addIssue({
            code: "custom",
            path: ["ids"],
            message: "`ids` and the other fields are mutually exclusive.",
          });
        }
      })
      .meta({
        id: "RedriveRequest",
        minProperties: 1,
        example: { filter: { queue: "default" }, ratePerSecond: 100 },
      }),
  };
}

const count = z.int().min(0);

const OperationStatus = z.enum(["pending", "running", "done", "stopped", "failed"]);

/** A background operation on many jobs. */
export const Operation = z
  .strictObject({
    id: z.uuid(),
    action: OperationAction,
    filter: JobSelection,
    ratePerSecond: z.int().nullable(),
    status: OperationStatus,
    counts: z.strictObject({ seen: count, changed: count, skipped: count, failed: count }).meta({
      id: "OperationCounts",
      description:
        "skipped: the job no longer matched. failed: another pending job has the same key",
    }),
    error: z.string().nullable(),
    createdAt: z.iso.datetime(),
    endedAt: z.iso.datetime().nullable(),
  })
  .meta({
    id: "Operation",
    example: {
      id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304",
      action: "retry",
      filter: { status: "dead", type: "echo" },
      ratePerSecond: 100,
      status: "running",
      counts: { seen: 250, changed: 248, skipped: 2, failed: 0 },
      error: null,
      createdAt: "2026-11-23T09:30:00.000Z",
      endedAt: null,
    },
  });
export type Operation = z.infer<typeof Operation>;

export const OperationPreview = z
  .strictObject({
    dryRun: IsDryRun,
    matches: count,
    isExact: z.boolean().meta({
      description: "false: counting stopped at a limit, and more jobs may match",
    }),
  })
  .meta({ id: "OperationPreview", example: { dryRun: true, matches: 250, isExact: true } });
export type OperationPreview = z.infer<typeof OperationPreview>;

export const OperationPage = createPage("OperationPage", Operation);
