import type { SandboxedTypeName } from "@toril/contract/api/job-types/index";
import type { JobLog } from "../observability/log.ts";

/** To a thread. It has one run at a time. */
export type ToThread =
  | { kind: "run"; type: SandboxedTypeName; id: string; attempt: number; data: unknown }
  | { kind: "abort" }
  | { kind: "answer"; seq: number; status: "ok"; value: unknown }
  | { kind: "answer"; seq: number; status: "failed"; detail: string };

/** From a thread, but for `crashed`, which tells that it is gone. */
export type FromThread =
  | { kind: "log"; level: keyof JobLog; line: unknown[] }
  | { kind: "progress"; value: number | object }
  | { kind: "ask"; seq: number; name: string; given: unknown[] }
  | { kind: "completed"; result: unknown }
  | { kind: "failed"; error: ThreadError }
  | { kind: "crashed"; error: ThreadError };

/** What was thrown, without its class. */
export interface ThreadError {
  name: string;
  message: string;
  stack?: string | undefined;
  /** Of a `RetryAfterError`, in ms since the epoch. */
  retryAt?: number | undefined;
}
