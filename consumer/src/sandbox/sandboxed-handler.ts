import type { DataOf, ResultOf, SandboxedTypeName } from "@toril/contract/api/job-types/index";
import type { HandlerContext } from "../worker/handler.ts";
import type { ReadRows } from "./read-rows.ts";

/** Functions of the consumer that a thread may call. The consumer adds the job id, which determines the tenant. */
export interface Capabilities {
  readRows: ReadRows;
}

type Asked = {
  [Name in keyof Capabilities]: Capabilities[Name] extends (
    jobId: string,
    ...given: infer Given
  ) => infer Answer
    ? (...given: Given) => Answer
    : never;
};

/** Context of a sandboxed handler. A thread has no connections and no environment, only this context. */
export type SandboxContext = Omit<HandlerContext, "enqueue" | "admitChildren"> & Asked;

/** A handler that runs in a thread. Data, result, log lines and errors are copied between the threads. */
export type SandboxedHandler<Name extends SandboxedTypeName> = (
  data: DataOf<Name>,
  context: SandboxContext,
) => Promise<ResultOf<Name>>;

export type SandboxedHandlers = { readonly [Name in SandboxedTypeName]: SandboxedHandler<Name> };
