import { z } from "zod";
import { JobStatus, limits } from "./job.ts";
import { jobTypeNames } from "./jobs/index.ts";

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
    ratePerSecond,
    dryRun: z.boolean().optional().meta({ description: "true: says how many, and changes none" }),
  })
  .refine(({ action, filter: { status } }) => !status || statusesOf[action].includes(status), {
    path: ["filter", "status"],
    error: "Not what this can be done to.",
  })
  .meta({
    id: "OperationRequest",
    example: { action: "retry", filter: { status: "dead", type: "echo" }, ratePerSecond: 100 },
  });
export type OperationRequest = z.infer<typeof OperationRequest>;

export const RedriveRequest = z
  .union([
    z.strictObject({ ids: z.array(z.uuid()).min(1).max(1000) }),
    z.strictObject({
      filter: JobSelection.omit({ status: true }),
      ratePerSecond,
      dryRun: z.boolean().optional(),
    }),
  ])
  .meta({ id: "RedriveRequest", example: { ids: ["019c2f1e-7b1a-7c3d-8a4e-5f6071829304"] } });

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
    counts: z
      .strictObject({ seen: count, changed: count, skipped: count, failed: count })
      .meta({ description: "skipped: was not so any more. failed: a pending job has its key" }),
    error: z.string().nullable(),
    createdAt: z.iso.datetime(),
    endedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: "Operation" });
export type Operation = z.infer<typeof Operation>;

export const OperationPreview = z
  .strictObject({
    dryRun: z.literal(true),
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
