import { z } from "zod";
import { JobId, Time } from "./job.ts";
import { JobStatus } from "./job-states.ts";

export const acceptedJobExample = {
  id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304",
  type: "echo",
  queue: "default",
  status: "pending",
  outcome: "created",
  key: "order-1042",
  createdAt: "2026-11-23T09:30:00.000Z",
  runAt: null,
};

/** The response to an enqueue request. */
export const AcceptedJob = z
  .strictObject({
    id: JobId,
    type: z.string(),
    queue: z.string(),
    status: JobStatus,
    outcome: z.enum(["created", "duplicate"]).meta({
      description:
        "created: a new job. duplicate: the response describes an existing job with this key",
    }),
    key: z.string().nullable(),
    createdAt: Time,
    runAt: Time.nullable(),
    replaced: JobId.optional().meta({
      description:
        "ID of the earlier job with the same key, which was cancelled and replaced by this job",
    }),
  })
  .meta({ id: "AcceptedJob", example: acceptedJobExample });
export type AcceptedJob = z.infer<typeof AcceptedJob>;

/** Marks the response to a dry run. Not a literal, because client generators mishandle an enumeration of booleans. */
export const IsDryRun = z.boolean().meta({ description: "Always true" });

/** The response to the dry run of an enqueue request. */
export const CheckedJob = z
  .strictObject({
    dryRun: IsDryRun,
    type: z.string(),
    queue: z.string(),
    key: z.string().nullable(),
    runAt: Time.nullable(),
    expiresAt: Time.nullable(),
  })
  .meta({
    id: "CheckedJob",
    example: {
      dryRun: true,
      type: "echo",
      queue: "default",
      key: null,
      runAt: null,
      expiresAt: null,
    },
  });
export type CheckedJob = z.infer<typeof CheckedJob>;
