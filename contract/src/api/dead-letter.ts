import { z } from "zod";
import { FinalJobStatus, Job, JobError } from "./job.ts";

/** How a job ended before it was made pending again. */
export const PastEnd = z
  .strictObject({
    run: z.int().min(0),
    status: FinalJobStatus,
    attempts: z.int().min(0),
    error: z.union([JobError, z.null()]),
    result: z.unknown().optional(),
    settledAt: z.iso.datetime(),
  })
  .meta({ id: "PastEnd" });
export type PastEnd = z.infer<typeof PastEnd>;

const { id, type, queue, key, importId, schedule, labels, attempts, error } = Job.shape;
const { createdAt, data } = Job.shape;

const Reason = z.string().nullable().meta({
  description:
    "The error without its numbers, ids and quoted parts, as many jobs have it in common",
  example: "Error: connect ECONNREFUSED #.#.#.#:#",
});

/** A job that is dead, as lists show it. */
export const DeadLetter = z
  .strictObject({
    id,
    type,
    queue,
    key,
    importId,
    schedule,
    labels,
    reason: Reason,
    error,
    attempts,
    createdAt,
    settledAt: z.iso.datetime(),
  })
  .meta({ id: "DeadLetter" });
export type DeadLetter = z.infer<typeof DeadLetter>;

export const InspectedDeadLetter = DeadLetter.extend({
  data,
  history: z.array(PastEnd).meta({ description: "How it ended before it was done again" }),
}).meta({ id: "InspectedDeadLetter" });
export type InspectedDeadLetter = z.infer<typeof InspectedDeadLetter>;

export const DeadLetterPage = z
  .strictObject({
    items: z.array(DeadLetter),
    next: z.string().nullable().meta({ description: "The cursor of the next page" }),
  })
  .meta({ id: "DeadLetterPage" });

export const DeadLetterSummary = z
  .strictObject({
    groups: z.array(
      z
        .strictObject({
          type: z.string(),
          reason: Reason,
          count: z.int().min(0),
          isExact: z.boolean().meta({
            description:
              "false: counting stopped, and the group has more dead letters than `count`. " +
              "All groups together are counted up to 100,000",
          }),
        })
        .meta({ id: "DeadLetterGroup" }),
    ),
    isComplete: z.boolean().meta({
      description: "false: there are more than 500 groups, and only the first by type are counted",
    }),
  })
  .meta({ id: "DeadLetterSummary" });
export type DeadLetterSummary = z.infer<typeof DeadLetterSummary>;

export const Redriven = z
  .strictObject({
    counts: z
      .strictObject({ redriven: z.int().min(0), rejected: z.int().min(0) })
      .meta({ id: "RedrivenCounts" }),
    results: z.array(
      z
        .strictObject({
          id: z.uuid(),
          outcome: z.enum(["redriven", "not-found", "key-taken"]).meta({
            description:
              "not-found: no dead letter has this id. key-taken: a pending job has its key",
          }),
        })
        .meta({ id: "RedrivenEntry" }),
    ),
  })
  .meta({ id: "Redriven" });
export type Redriven = z.infer<typeof Redriven>;
