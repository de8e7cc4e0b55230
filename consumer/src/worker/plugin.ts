import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { SandboxedHandlerMap } from "../sandbox/sandboxed-handler.ts";
import type { RetryingLedger } from "../stores/retrying-ledger.ts";
import type { BatchSize } from "@toril/contract/engine/jobs/attempt/ledger-batcher";
import type { HandlerMap } from "./handler.ts";

/** What a consumer offers to handlers when they are created. */
export interface HandlerServices {
  /** Waits for Postgres without a limit. */
  ledger: RetryingLedger;
  batch: BatchSize;
  /** Resources of handlers, which are closed with the consumer, after the last attempt. */
  resources: Pick<AsyncDisposableStack, "use">;
}

/** The job types of a consumer and their handlers. */
export interface JobTypePlugin {
  jobTypes: JobTypeRegistry;
  createHandlers(services: HandlerServices): HandlerMap;
  /** Required if a job type is sandboxed. */
  sandbox?: {
    handlers: SandboxedHandlerMap;
    /** Module that serves the handlers in a thread. */
    threadUrl: URL;
  };
}
