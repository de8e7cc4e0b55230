import { z } from "zod";
import { createPage, pageQuery } from "../../page.ts";
import { JobState, JobStatus } from "../../jobs/job-states.ts";
import { RequestTime, Key } from "../../jobs/job-options.ts";
import { Job } from "../../jobs/job.ts";
import { limits } from "../../limits.ts";
import type { JobTypeRegistry } from "../../registry.ts";
import { maxTermValueLength } from "../../job-data/search-terms.ts";
import { header, json, optional } from "../define/headers.ts";
import { defineRoute } from "../define/route.ts";

export const JobPage = createPage("JobPage", Job);
export type JobPage = z.infer<typeof JobPage>;

/** Creates the operation that lists jobs, with a query parameter for each searchable field. */
export function createListRoute(jobTypes: JobTypeRegistry) {
  return defineRoute({
    operationId: "listJobs",
    summary: "List jobs",
    description:
      "Returns jobs, newest first. A page examines at most 10,000 jobs of each status and type and contains at most 2 MB: a page may be short or empty although " +
      "more results exist; continue until `next` is null.",
    tags: ["Jobs"],
    scope: "jobs:read",
    method: "get",
    path: "/v1/jobs",
    request: {
      // The searchable fields of registered job types depend on the tenant, so the handler refuses unknown parameters.
      query: searchQuery({
        ...pageQuery,
        type: z.string().optional(),
        queue: z.string().optional(),
        status: JobStatus.optional(),
        state: JobState.optional().meta({
          description:
            "State of pending jobs; excludes every `status` but `pending`. If more than 10,000 jobs of the queues are in the state, or it is `undispatched`, a page checks the state of at most 1,000 jobs that match the other filters.",
        }),
        key: Key.optional(),
        label: z.string().min(1).max(limits.labelLength).optional(),
        schedule: z.string().min(1).max(255).optional(),
        importId: z.uuid().optional(),
        createdAfter: RequestTime.optional(),
        createdBefore: RequestTime.optional(),
        omit: z.enum(["payload"]).optional().meta({
          description: "payload: omit `data` and `result` (both are null)",
        }),
        ...createSearchParameters(jobTypes),
      }),
    },
    responses: {
      200: {
        description: "One page of jobs",
        content: json(JobPage),
        headers: optional({
          Link: header("URL of the next page", '</v1/jobs?cursor=MDE5>; rel="next"'),
        }),
      },
    },
    problems: ["invalid-parameter", "at-capacity"],
  });
}

/** Accepts further parameters. Sound because only lookups by a computed name read them. */
function searchQuery<Shape extends z.ZodRawShape>(shape: Shape) {
  const query: unknown = z.object(shape).catchall(SearchedValue);
  return query as z.ZodObject<Shape, z.core.$strict>;
}

const SearchedValue = z.string().min(1).max(maxTermValueLength);

/** Creates `data.<field>` for each searchable field of a job type. */
function createSearchParameters({ searchableFields }: JobTypeRegistry) {
  return Object.fromEntries(
    searchableFields.map((field) => [
      `data.${field}`,
      SearchedValue.optional().meta({
        description: `Only jobs with this value of \`data.${field}\``,
      }),
    ]),
  );
}
