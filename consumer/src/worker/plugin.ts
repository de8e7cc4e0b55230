import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { SandboxModule } from "../sandbox/sandboxed-handler.ts";
import type { RetryingLedger } from "../stores/retrying-ledger.ts";
import type { BatchSize } from "@toril/contract/engine/jobs/attempt/ledger-batcher";
import type { HandlerContext, HandlerMap } from "./handler.ts";

/** What a consumer offers to handlers when they are created. */
export interface HandlerServices {
  /** Waits for Postgres without a limit. */
  ledger: RetryingLedger;
  batch: BatchSize;
  /** Whether feeds may be fetched from private addresses. */
  isPrivateFeedAllowed: boolean;
  /** Resources of handlers, which are closed with the consumer, after the last attempt. */
  resources: Pick<AsyncDisposableStack, "use" | "defer">;
}

/** One attempt, as middleware sees it. */
export interface HandledAttempt<Context = unknown> {
  readonly type: string;
  /** Data that the schema of the type has parsed. */
  readonly data: unknown;
  readonly context: HandlerContext & Context;
}

/**
 * Runs around the handler of each attempt. `next` runs the handler, and resolves to its result or rejects with its error;
 * what the middleware returns or throws takes its place.
 */
export type Middleware<Context = unknown> = (
  attempt: HandledAttempt<Context>,
  next: () => Promise<unknown>,
) => Promise<unknown>;

/** Handlers of some job types. */
export interface HandlerPlugin {
  createHandlers(services: HandlerServices): HandlerMap;
  /** Modules with the handlers of sandboxed job types. */
  sandboxes?: readonly SandboxModule[];
}

export interface QueueOptions {
  /** Maximum number of concurrent handlers of the queue in each consumer; `WORKER_CONCURRENCY` by default. */
  concurrency?: number;
}

/** The job types of a consumer and their handlers. */
export interface JobTypePlugin extends HandlerPlugin {
  jobTypes: JobTypeRegistry;
  /** Opens what handlers need. Its properties are added to the context of each attempt. */
  openContext?(resources: HandlerServices["resources"]): Promise<object>;
  /** Runs around all handlers, the first one outermost. */
  middleware?: readonly Middleware[];
  queues?: Readonly<Record<string, QueueOptions>>;
}
