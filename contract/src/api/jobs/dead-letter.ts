import { z } from "zod";
import { createPage } from "../page.ts";
import { FinalJobStatus } from "./job-states.ts";
import { Job, JobError } from "./job.ts";

/** The final status of an earlier generation of a job, before it was retried or redriven. */
export const PastGeneration = z
  .strictObject({
    generation: z.int().min(0),
    status: FinalJobStatus,
    attempts: z.int().min(0),
    error: z.union([JobError, z.null()]),
    result: z.unknown().optional(),
    settledAt: z.iso.datetime(),
  })
  .meta({ id: "PastGeneration" });
export type PastGeneration = z.infer<typeof PastGeneration>;

const { id, type, queue, key, importId, schedule, labels, attempts, error } = Job.shape;
const { createdAt, data } = Job.shape;

const Reason = z.string().nullable().meta({
  description:
    "The error message without numbers, IDs and quoted parts, so that similar errors share one reason",
  example: "Error: connect ECONNREFUSED #.#.#.#:#",
});

const deadLetterExample = {
  id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304",
  type: "echo",
  queue: "default",
  key: null,
  importId: null,
  schedule: null,
  labels: ["nightly"],
  reason: "Error: connect ECONNREFUSED #.#.#.#:#",
  error: { name: "Error", message: "connect ECONNREFUSED 10.0.0.7:5432" },
  attempts: { made: 3, max: 3 },
  createdAt: "2026-11-23T09:30:00.000Z",
  settledAt: "2026-11-23T09:30:07.000Z",
};

/** A dead job, as returned in lists. */
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
  .meta({ id: "DeadLetter", example: deadLetterExample });
export type DeadLetter = z.infer<typeof DeadLetter>;

export const InspectedDeadLetter = DeadLetter.extend({
  data,
  history: z
    .array(PastGeneration)
    .meta({ description: "Final status of each earlier generation, before the job was redriven" }),
}).meta({
  id: "InspectedDeadLetter",
  example: { ...deadLetterExample, data: { message: "hello" }, history: [] },
});
export type InspectedDeadLetter = z.infer<typeof InspectedDeadLetter>;

export const DeadLetterPage = createPage("DeadLetterPage", DeadLetter);

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
              "false: counting stopped, and the group may have more dead letters than `count`. " +
              "At most 100,000 dead letters are counted across all groups",
          }),
        })
        .meta({ id: "DeadLetterGroup" }),
    ),
    isComplete: z.boolean().meta({
      description:
        "false: there are more than 500 groups; only the first groups, ordered by type, are counted",
    }),
  })
  .meta({
    id: "DeadLetterSummary",
    example: {
      groups: [
        {
          type: "echo",
          reason: "Error: connect ECONNREFUSED #.#.#.#:#",
          count: 250,
          isExact: true,
        },
      ],
      isComplete: true,
    },
  });
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
              "not-found: no dead letter has this ID. key-taken: another pending job has the same key",
          }),
        })
        .meta({ id: "RedrivenEntry" }),
    ),
  })
  .meta({
    id: "Redriven",
    example: {
      counts: { redriven: 1, rejected: 0 },
      results: [{ id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304", outcome: "redriven" }],
    },
  });
export type Redriven = z.infer<typeof Redriven>;
