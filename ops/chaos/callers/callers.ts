import type { Caller } from "../load.ts";
import { cancel, flaky, operation, retry } from "./changing.ts";
import { bulk, keyed, once, plain, upload } from "./enqueueing.ts";
import { follower, reader, watcher } from "./reading.ts";

export function createCallers(baseUrl: string): Caller[] {
  return [
    bulk,
    upload,
    plain,
    keyed,
    once,
    cancel,
    retry,
    flaky,
    operation,
    follower(baseUrl),
    watcher(baseUrl),
    reader,
  ];
}
