import type { JobLog } from "../observability/log.ts";
import { NonRetryableError, RetryAfterError } from "../worker/handler.ts";

/** `workerData` of a sandbox thread. */
export const sandboxMarker = "toril sandbox";

/** Messages to a thread, which runs one attempt at a time. */
export type ToThread =
  | { kind: "run"; type: string; id: string; attempt: number; data: unknown }
  | { kind: "abort" }
  | { kind: "answer"; seq: number; status: "ok"; value: unknown }
  | { kind: "answer"; seq: number; status: "failed"; detail: string };

/** Messages from a thread, except `crashed`: the host process sends `crashed` when the thread has ended. */
export type FromThread =
  | { kind: "log"; level: keyof JobLog; line: unknown[] }
  | { kind: "progress"; value: number | object }
  | { kind: "call"; seq: number; name: string; args: unknown[] }
  | { kind: "completed"; result: unknown }
  | { kind: "failed"; error: ThreadError }
  | { kind: "crashed"; error: ThreadError };

/** A thrown error as plain data, without its class. */
export interface ThreadError {
  name: string;
  message: string;
  stack?: string | undefined;
  /** Set for a `RetryAfterError`, in Unix ms. */
  retryAt?: number | undefined;
}

export function toThreadError(thrown: unknown): ThreadError {
  if (!(thrown instanceof Error)) return { name: "Error", message: String(thrown) };
  const { name, message, stack } = thrown;
  return {
    name,
    message,
    stack,
    retryAt: thrown instanceof RetryAfterError ? +thrown.at : undefined,
  };
}

export function fromThreadError({ name, message, stack, retryAt }: ThreadError): Error {
  if (retryAt !== undefined) return new RetryAfterError(new Date(retryAt), message);
  const error =
    name === "NonRetryableError" ? new NonRetryableError(message) : namedError(name, message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

export function namedError(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}
