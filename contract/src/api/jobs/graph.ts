import { z } from "zod";
import type { JobRequest } from "./job-request.ts";

export const graphLimits = {
  /** Jobs of one graph, including the root. */
  jobs: 5000,
  /** Levels of one graph; the root is the first. */
  depth: 10,
} as const;

/**
 * What happens to a parent when a child ends without completing. The names and meanings are those of BullMQ's flows.
 */
export const FailurePolicy = z
  .enum([
    "failParentOnFailure",
    "continueParentOnFailure",
    "ignoreDependencyOnFailure",
    "removeDependencyOnFailure",
  ])
  .meta({
    id: "FailurePolicy",
    description:
      "What happens to the parent when the child ends dead, cancelled or expired. failParentOnFailure: the parent is dead at once. " +
      "continueParentOnFailure: the parent starts at once. ignoreDependencyOnFailure: the parent waits for the other children, and can read the failure. " +
      "removeDependencyOnFailure: the child is removed from the graph, and the parent waits for the other children",
  });
export type FailurePolicy = z.infer<typeof FailurePolicy>;

export const defaultFailurePolicy: FailurePolicy = "failParentOnFailure";

/** The parent of a job, which waits for that job. */
export const JobParent = z
  .strictObject({ id: z.uuid(), onFailure: FailurePolicy })
  .meta({ id: "JobParent" });
export type JobParent = z.infer<typeof JobParent>;

const count = z.int().min(0);

const ThenImport = z
  .strictObject({ id: z.uuid(), read: count, accepted: count, duplicate: count, rejected: count })
  .meta({
    id: "ThenImport",
    description:
      "The import that the job waits for, with the counts of its rows; the other counts are of its jobs",
  });

/** The numbers of jobs that a job waits or waited for. */
export const ChildCounts = z
  .strictObject({
    total: count,
    pending: count,
    completed: count,
    dead: count,
    cancelled: count,
    expired: count,
    import: ThenImport.optional(),
  })
  .meta({ id: "ChildCounts" });
export type ChildCounts = z.infer<typeof ChildCounts>;

/** A job with the jobs that it waits for. */
export interface GraphNode {
  job: JobRequest;
  children?: (GraphNode & { onFailure?: FailurePolicy | undefined })[] | undefined;
}

/** Creates the schemas of a graph for the documentation; the producer parses a graph node by node. */
export function createGraphSchemas(jobRequest: z.ZodType<JobRequest>, example: unknown) {
  const GraphChild: z.ZodType<GraphNode> = z
    .strictObject({
      job: jobRequest,
      onFailure: FailurePolicy.optional().meta({ description: `Default: ${defaultFailurePolicy}` }),
      get children() {
        return z
          .array(GraphChild)
          .min(1)
          .optional()
          .meta({ description: "The jobs that must end before this child starts" });
      },
    })
    .meta({ id: "GraphChild" });
  const GraphRequest = z
    .strictObject({
      job: jobRequest,
      children: z
        .array(GraphChild)
        .min(1)
        .meta({ description: "The jobs that must end before the root job starts" }),
    })
    .meta({
      id: "GraphRequest",
      ...(example === undefined
        ? {}
        : { example: { job: example, children: [{ job: example }, { job: example }] } }),
    });
  return { GraphRequest };
}
