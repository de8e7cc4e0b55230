import type { JobLog } from "../observability/log.ts";

/** Messages to a thread, which runs one attempt at a time. */
export type ToThread =
  | { kind: "run"; type: string; id: string; attempt: number; data: unknown }
  | { kind: "abort" }
  | { kind: "answer"; seq: number; status: "ok"; value: unknown }
  | { kind: "answer"; seq: number; status: "failed"; detail: string };

/** Messages from a thread, except `crashed`: the host process sends `crashed` when the thread is gone. */
export type FromThread =
  | { kind: "log"; level: keyof JobLog; line: unknown[] }
  | { kind: "progress"; value: number | object }
  | { kind: "ask"; seq: number; name: string; given: unknown[] }
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
