import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { Worker } from "node:worker_threads";
import {
  type FromThread,
  type ThreadError,
  type ToThread,
  sandboxMarker,
  toThreadError,
} from "./sandbox/messages.ts";

/**
 * Process that hosts one sandbox thread. A thread that exceeds its memory limit usually ends alone, but a large
 * `JSON.parse` or a growing Map crashes the whole process.
 */
function host([threadUrl = "", memoryMb]: readonly string[]): void {
  lowerPriority();
  // Without a consumer the result is useless, and a thread in a loop would not notice the disconnect.
  process.on("disconnect", () => process.exit());
  // A terminal or supervisor signals every process; the consumer decides when an attempt ends.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});

  const thread = new Worker(new URL(threadUrl), {
    env: {},
    execArgv: [],
    workerData: sandboxMarker,
    resourceLimits: { maxOldGenerationSizeMb: Number(memoryMb) },
  });
  const send = (message: FromThread) => process.send?.(message);
  process.on("message", (message: ToThread) => thread.postMessage(message));
  thread.on("message", send);
  thread.on("error", (error) => send({ kind: "crashed", error: toCrash(error) }));
  thread.on("exit", (code) => {
    const message = `The thread exited with ${code}.`;
    send({ kind: "crashed", error: { name: "ThreadExited", message } });
  });

  function toCrash(error: unknown): ThreadError {
    const isMemory = error instanceof Error && "code" in error && error.code === outOfMemory;
    return isMemory
      ? { name: "OutOfMemory", message: `The attempt needed more than ${memoryMb} MB.` }
      : toThreadError(error);
  }
}

const outOfMemory = "ERR_WORKER_OUT_OF_MEMORY";
const niceness = 10;
/** Out of 1000: when memory is short, the kernel kills a sandbox process before the consumer. */
const oomScore = "500";

/** Lowers the process priority, which the thread inherits. Best effort: not every system permits these calls. */
function lowerPriority() {
  for (const step of [
    () => setPriority(niceness),
    () => writeFileSync("/proc/self/oom_score_adj", oomScore),
  ]) {
    try {
      step();
    } catch {
      // Not permitted here: the process keeps its priority.
    }
  }
}

host(process.argv.slice(2));
