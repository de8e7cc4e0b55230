import { z } from "zod";
import { IsDryRun } from "../../jobs/accepted-job.ts";
import { limits } from "../../limits.ts";
import { Problem } from "../../problem.ts";
import type { JobTypeRegistry } from "../../registry.ts";
import { json, replayed } from "../define/headers.ts";

const index = z.int().min(0);
const rejected = z
  .strictObject({ index, outcome: z.literal("rejected"), problem: Problem })
  .meta({ id: "RejectedEntry" });
const BulkEntry = z
  .discriminatedUnion("outcome", [
    z
      .strictObject({ index, outcome: z.literal("created"), id: z.uuid() })
      .meta({ id: "CreatedEntry" }),
    z
      .strictObject({ index, outcome: z.literal("duplicate"), id: z.uuid() })
      .meta({ id: "DuplicateEntry" }),
    rejected,
  ])
  .meta({ id: "BulkEntry" });
export type BulkEntry = z.infer<typeof BulkEntry>;

const counts = z
  .strictObject({
    created: z.int().min(0),
    duplicate: z.int().min(0),
    rejected: z.int().min(0),
  })
  .meta({ id: "BulkCounts" });

export const BulkResult = z
  .strictObject({
    counts,
    results: z.array(BulkEntry),
    then: z.uuid().optional().meta({ description: "ID of the job of the parameter `then`" }),
  })
  .meta({
    id: "BulkResult",
    example: {
      counts: { created: 1, duplicate: 0, rejected: 0 },
      results: [{ index: 0, outcome: "created", id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304" }],
    },
  });
export type BulkResult = z.infer<typeof BulkResult>;

/** The problem of a bulk request that stored nothing; `results` contains the rejected entries. */
export const BulkProblem = Problem.extend({ counts, results: z.array(BulkEntry) }).meta({
  id: "BulkProblem",
});
export type BulkProblem = z.infer<typeof BulkProblem>;

export const BulkCheck = z
  .strictObject({
    dryRun: IsDryRun,
    counts: z
      .strictObject({ valid: z.int().min(0), rejected: z.int().min(0) })
      .meta({ id: "BulkCheckCounts" }),
    results: z.array(
      z
        .discriminatedUnion("outcome", [
          z.strictObject({ index, outcome: z.literal("valid") }).meta({ id: "ValidEntry" }),
          rejected,
        ])
        .meta({ id: "CheckedEntry" }),
    ),
  })
  .meta({
    id: "BulkCheck",
    example: {
      dryRun: true,
      counts: { valid: 1, rejected: 0 },
      results: [{ index: 0, outcome: "valid" }],
    },
  });
export type BulkCheck = z.infer<typeof BulkCheck>;

/** Each entry is validated separately, so that the errors of all entries are reported. */
export function createBulkBody({ schemas }: JobTypeRegistry) {
  const entry = schemas.JobRequest.meta()?.["example"];
  return {
    "application/json": {
      schema: {
        type: "array" as const,
        minItems: 1,
        maxItems: limits.bulkEntries,
        items: { $ref: "#/components/schemas/JobRequest" },
      },
      ...(entry === undefined ? {} : { example: [entry, entry] }),
    },
    "application/x-ndjson": {
      schema: { type: "string" as const, description: "One JobRequest per line" },
      ...(entry === undefined ? {} : { example: `${JSON.stringify(entry)}\n`.repeat(2) }),
    },
  };
}

export const bulkContent = {
  content: json(BulkResult),
  headers: replayed,
};
