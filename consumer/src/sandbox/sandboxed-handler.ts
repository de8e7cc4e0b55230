import type { JobData, JobType, JobTypes, JobResult } from "@toril/contract/api/job-type";
import type { HandlerContext } from "../worker/handler.ts";
import type { ReadRows } from "./read-rows.ts";

/** Functions of the consumer that a thread may call. The consumer adds the job id, which determines the tenant. */
export interface Capabilities {
  readRows: ReadRows;
}

type CapabilityCalls = {
  [Name in keyof Capabilities]: Capabilities[Name] extends (
    jobId: string,
    ...args: infer Args
  ) => infer Result
    ? (...args: Args) => Result
    : never;
};

/** Context of a sandboxed handler. A thread has no connections and no environment, only this context. */
export type SandboxContext = Omit<
  HandlerContext,
  "enqueue" | "admitChildren" | "children" | "childCounts"
> &
  CapabilityCalls;

/** A handler that runs in a thread. Data, result, log lines and errors are copied between the threads. */
export type SandboxedHandler<Type extends JobType = JobType> = (
  data: JobData<Type>,
  context: SandboxContext,
) => Promise<JobResult<Type>>;

/** One handler per sandboxed job type. */
export type SandboxedHandlers<Types extends JobTypes> = {
  readonly [
    Type in Types[number] as Type["sandbox"] extends undefined ? never : Type["type"]
  ]: SandboxedHandler<Type>;
};

/** A module that serves sandboxed handlers in a thread. */
export interface SandboxModule<Handlers = SandboxedHandlerMap> {
  readonly handlers: Handlers;
  readonly threadUrl: URL;
}

/** Handlers by job type. */
export type SandboxedHandlerMap = Readonly<Record<string, SandboxedHandler>>;
