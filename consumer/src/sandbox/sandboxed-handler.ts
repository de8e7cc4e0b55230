import type { DataOf, ResultOf, SandboxedTypeName } from "@toril/contract/api/job-types/index";
import type { HandlerContext } from "../worker/handler.ts";
import type { ReadRows } from "./read-rows.ts";

/** What a thread may ask of the consumer, which adds the id of the job: it tells the tenant. */
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

/** A thread has neither connections nor the environment: this is all it has. */
export type SandboxContext = Omit<HandlerContext, "enqueue" | "admitChildren"> & Asked;

/** Runs in a thread. What it takes, returns, logs and throws is copied from one to the other. */
export type SandboxedHandler<Name extends SandboxedTypeName> = (
  data: DataOf<Name>,
  context: SandboxContext,
) => Promise<ResultOf<Name>>;

export type SandboxedHandlers = { readonly [Name in SandboxedTypeName]: SandboxedHandler<Name> };
