import { createAdminCalls } from "./client/admin.ts";
import { createJobCalls } from "./client/jobs.ts";
import { createOperationCalls } from "./client/operations.ts";
import { createScheduleCalls } from "./client/schedules.ts";
import { type ClientOptions, createTransport } from "./client/transport.ts";
import type { JobTypes } from "./job-type.ts";

export type { ImportQuery, ListJobsQuery, WaitOptions } from "./client/jobs.ts";
export type { ListDeadLettersQuery } from "./client/operations.ts";
export type { PreviewQuery } from "./client/schedules.ts";
export {
  type CallOptions,
  type ClientOptions,
  type PageQuery,
  TorilError,
  type WriteOptions,
} from "./client/transport.ts";

export type Client<Types extends JobTypes = JobTypes> = ReturnType<typeof createClient<Types>>;

/**
 * Creates a client of the API. Has no dependencies and requires only `fetch`: works in Bun, Node, Deno and browsers.
 * Responses have the types of the contract and are not validated. Every function throws `TorilError` for a response whose
 * status is not 2xx.
 *
 * `createClient<typeof jobTypes>` checks job types and data at compile time, from the array of the service's job types.
 */
export function createClient<Types extends JobTypes = JobTypes>(options: ClientOptions) {
  const transport = createTransport(options);
  return {
    ...createJobCalls<Types>(transport),
    ...createScheduleCalls<Types>(transport),
    ...createOperationCalls<Types>(transport),
    ...createAdminCalls(transport),
  };
}
