import type {
  DeadLetter,
  DeadLetterPage,
  DeadLetterSummary,
  InspectedDeadLetter,
  Redriven,
} from "../dead-letter.ts";
import type { JobTypeName, JobTypes } from "../job-type.ts";
import type { Job } from "../job.ts";
import type { Operation, OperationPage, OperationPreview, OperationRequest } from "../operation.ts";
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
      call<typeof DeadLetterPage>("/v1/dead-letters", { ...options, query: { ...query } }),

    summarizeDeadLetters: (options: CallOptions = {}) =>
      call<typeof DeadLetterSummary>("/v1/dead-letters/summary", options),

    getDeadLetter: (id: string, options: CallOptions = {}) =>
      call<typeof InspectedDeadLetter>(`/v1/dead-letters/${encodeURIComponent(id)}`, options),

    redriveDeadLetter: (id: string, options: WriteOptions = {}) =>
      call<typeof Job>(`/v1/dead-letters/${encodeURIComponent(id)}/redrive`, postEmpty(options)),

    /** Redrives up to 1,000 dead letters by ID. To redrive by filter, use `createOperation`. */
    redriveDeadLetters: (ids: readonly string[], options: WriteOptions = {}) =>
      call<typeof Redriven>("/v1/dead-letters/redrive", postJson({ ids }, options)),

    deleteDeadLetter: (id: string, options: CallOptions = {}) =>
      call<typeof DeadLetter>(`/v1/dead-letters/${encodeURIComponent(id)}`, {
        ...options,
        method: "DELETE",
      }),

    /** Starts a background operation on many jobs. */
    createOperation: (request: Omit<OperationRequest, "dryRun">, options: WriteOptions = {}) =>
      call<typeof Operation>("/v1/operations", postJson(request, options)),

    /** Counts the jobs that an operation would affect. */
    previewOperation: (request: Omit<OperationRequest, "dryRun">, options: WriteOptions = {}) =>
      call<typeof OperationPreview>(
        "/v1/operations",
        postJson({ ...request, dryRun: true }, options),
      ),

    listOperations: (query: PageQuery = {}, options: CallOptions = {}) =>
      call<typeof OperationPage>("/v1/operations", { ...options, query: { ...query } }),

    getOperation: (id: string, options: CallOptions = {}) =>
      call<typeof Operation>(`/v1/operations/${encodeURIComponent(id)}`, options),

    stopOperation: (id: string, options: WriteOptions = {}) =>
      call<typeof Operation>(`/v1/operations/${encodeURIComponent(id)}/stop`, postEmpty(options)),
  };
}
