import type { AcceptedGraph, ChildPage, FailurePolicy, JobStatus } from "./api-types.ts";
import type { JobRequest, JobTypes } from "./job-types.ts";
import { type CallOptions, postJson, type Transport, type WriteOptions } from "./transport.ts";

/** A job with the jobs that it waits for. */
export interface Graph<Types extends JobTypes = JobTypes> {
  job: JobRequest<Types>;
  children: readonly GraphChild<Types>[];
}

export interface GraphChild<Types extends JobTypes = JobTypes> {
  job: JobRequest<Types>;
  /** `failParentOnFailure` by default. */
  onFailure?: FailurePolicy;
  children?: readonly GraphChild<Types>[];
}

export interface ListChildrenQuery {
  cursor?: string;
  /** 1 to 500; 50 by default. */
  limit?: number;
  status?: JobStatus;
}

/** Calls about jobs that wait for other jobs. */
export function createGraphCalls<Types extends JobTypes>({ call }: Transport) {
  return {
    /** Enqueues a job with the jobs that it waits for, all or none. */
    createGraph: (graph: Graph<Types>, write: WriteOptions = {}) =>
      call<AcceptedGraph>("/v1/graphs", postJson(graph, write)),

    /** Lists the jobs that a job waits for, with their results. */
    listChildren: (id: string, query: ListChildrenQuery = {}, options: CallOptions = {}) =>
      call<ChildPage>(`/v1/jobs/${encodeURIComponent(id)}/children`, {
        ...options,
        query: { ...query },
      }),
  };
}
