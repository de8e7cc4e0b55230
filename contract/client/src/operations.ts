import type {
  DeadLetter,
  DeadLetterPage,
  DeadLetterSummary,
  InspectedDeadLetter,
  Job,
  Operation,
  OperationPage,
  OperationPreview,
  OperationRequest,
  Redriven,
} from "./api-types.ts";
import type { JobTypeName, JobTypes, Sent } from "./job-types.ts";
import {
  type CallOptions,
  type PageQuery,
  postEmpty,
  postJson,
  type Transport,
  type WriteOptions,
} from "./transport.ts";

export interface ListDeadLettersQuery<Types extends JobTypes = JobTypes> extends PageQuery {
  type?: JobTypeName<Types>;
  queue?: string;
  /** A reason of the summary. */
  reason?: string;
  label?: string;
}

/** Calls about dead letters and operations on many jobs. */
export function createOperationCalls<Types extends JobTypes>({ call }: Transport) {
  return {
    /** Lists jobs that used all their attempts or failed with a non-retryable error. */
    listDeadLetters: (query: ListDeadLettersQuery<Types> = {}, options: CallOptions = {}) =>
      call<DeadLetterPage>("/v1/dead-letters", { ...options, query: { ...query } }),

    summarizeDeadLetters: (options: CallOptions = {}) =>
      call<DeadLetterSummary>("/v1/dead-letters/summary", options),

    getDeadLetter: (id: string, options: CallOptions = {}) =>
      call<InspectedDeadLetter>(`/v1/dead-letters/${encodeURIComponent(id)}`, options),

    redriveDeadLetter: (id: string, options: WriteOptions = {}) =>
      call<Job>(`/v1/dead-letters/${encodeURIComponent(id)}/redrive`, postEmpty(options)),

    /** Redrives up to 1,000 dead letters by ID. To redrive by filter, use `createOperation`. */
    redriveDeadLetters: (ids: readonly string[], options: WriteOptions = {}) =>
      call<Redriven>("/v1/dead-letters/redrive", postJson({ ids }, options)),

    deleteDeadLetter: (id: string, options: CallOptions = {}) =>
      call<DeadLetter>(`/v1/dead-letters/${encodeURIComponent(id)}`, {
        ...options,
        method: "DELETE",
      }),

    /** Starts a background operation on many jobs. */
    createOperation: (
      request: Sent<Omit<OperationRequest, "dryRun">>,
      options: WriteOptions = {},
    ) => call<Operation>("/v1/operations", postJson(request, options)),

    /** Counts the jobs that an operation would affect. */
    previewOperation: (
      request: Sent<Omit<OperationRequest, "dryRun">>,
      options: WriteOptions = {},
    ) => call<OperationPreview>("/v1/operations", postJson({ ...request, dryRun: true }, options)),

    listOperations: (query: PageQuery = {}, options: CallOptions = {}) =>
      call<OperationPage>("/v1/operations", { ...options, query: { ...query } }),

    getOperation: (id: string, options: CallOptions = {}) =>
      call<Operation>(`/v1/operations/${encodeURIComponent(id)}`, options),

    stopOperation: (id: string, options: WriteOptions = {}) =>
      call<Operation>(`/v1/operations/${encodeURIComponent(id)}/stop`, postEmpty(options)),
  };
}
