import type { HandlerContext } from "./handler.ts";

/** The context of an attempt that may be finished by another process. */
export interface LeasedContext extends HandlerContext {
  /** Proves to `POST /v1/worker/finish` that its caller holds the job. */
  readonly lease: string;
}

/**
 * Thrown by a handler that has passed the job on to a process which finishes the attempt within `leaseMs`, or extends
 * the lease.
 */
export class FinishLaterError extends Error {
  readonly leaseMs: number;

  constructor(leaseMs: number) {
    super("another process finishes the attempt");
    this.leaseMs = leaseMs;
  }
}
