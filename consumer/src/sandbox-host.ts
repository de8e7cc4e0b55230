import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { Worker } from "node:worker_threads";
import type { FromThread, ThreadError, ToThread } from "./sandbox/messages.ts";
import { toThreadError } from "./sandbox/thread-error.ts";

/**
 * The process around one thread of the sandbox. Beyond its limit a thread mostly ends by itself, but not always: a
 * `JSON.parse`, or a Map that grows, takes the process along.
 */
function host([threadUrl = "", memoryMb]: readonly string[]): void {
  giveWay();
  // Without its consumer nobody wants the result, and a thread that loops would not notice.
  process.on("disconnect", () => process.exit());
  // A terminal or a supervisor tells every process; the consumer lets runs end.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});

  const thread = new Worker(new URL(threadUrl), {
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: Number(memoryMb) },
  });
  const send = (message: FromThread) => process.send?.(message);
  process.on("message", (message: ToThread) => thread.postMessage(message));
  thread.on("message", send);
  thread.on("error", (error) => send({ kind: "crashed", error: crashOf(error) }));
  thread.on("exit", (code) => {
    const message = `The thread exited with ${code}.`;
    send({ kind: "crashed", error: { name: "ThreadExited", message } });
  });

  function crashOf(error: unknown): ThreadError {
    const isMemory = error instanceof Error && "code" in error && error.code === outOfMemory;
    return isMemory
      ? { name: "OutOfMemory", message: `The run needed more than ${memoryMb} MB.` }
      : toThreadError(error);
  }
}

const outOfMemory = "ERR_WORKER_OUT_OF_MEMORY";
const niceness = 10;
/** Of 1000: when memory is short, the kernel ends a run rather than the consumer. */
const oomScore = "500";

/** Before the thread is made, which inherits it. Neither is allowed everywhere, and both are merely better. */
function giveWay() {
  for (const step of [
    () => setPriority(niceness),
    () => writeFileSync("/proc/self/oom_score_adj", oomScore),
  ]) {
    try {
      step();
    } catch {}
  }
}

host(process.argv.slice(2));
