import { existsSync, readFileSync } from "node:fs";

import type { Child, Exit } from "./child.ts";
import { createPortPicker } from "./ports.ts";
import { commandOutput } from "./process-table.ts";

/** A process that tests stop, freeze or kill, and restart at the same address. */
export interface RestartableProcess extends AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly isDown: boolean;
  /** Sends a signal to the process and its children. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Restarts the process; kills it first if it still runs. */
  restart(): Promise<void>;
  log(): string;
}

export async function startRestartable(open: () => Promise<Child>): Promise<RestartableProcess> {
  let child = await open();
  let isDown = watch(child);
  return {
    get pid() {
      return child.pid;
    },
    get exited() {
      return child.exited;
    },
    get isDown() {
      return isDown.value;
    },
    async kill(signal) {
      signalTree(child.pid, signal);
      if (signal === "SIGKILL") await child.exited;
    },
    async restart() {
      await child.stop({ atOnce: true });
      child = await open();
      isDown = watch(child);
    },
    log: () => readFileSync(child.logFile, "utf8"),
    async [Symbol.asyncDispose]() {
      if (!isDown.value) signalTree(child.pid, "SIGKILL");
      await child.exited;
    },
  };
}

/** Adds members to a process whose disposal disposes `opened`, which contains it. */
export function extendProcess<Members extends object>(
  running: RestartableProcess,
  members: Members,
  opened: AsyncDisposable,
): RestartableProcess & Members {
  const extended: RestartableProcess = Object.create(running, {
    [Symbol.asyncDispose]: { value: () => opened[Symbol.asyncDispose]() },
  });
  return Object.assign(extended, members);
}

function watch(child: Child): { value: boolean } {
  const isDown = { value: false };
  void child.exited.then(() => {
    isDown.value = true;
  });
  return isDown;
}

/** Postgres forks backends, each in its own process group. */
function signalTree(pid: number, signal: NodeJS.Signals): void {
  for (const target of [pid, ...findChildren(pid)]) {
    try {
      process.kill(target, signal);
    } catch {
      // It has just ended.
    }
  }
}

function findChildren(pid: number): number[] {
  const list = `/proc/${pid}/task/${pid}/children`;
  const text = existsSync(list)
    ? readFileSync(list, "utf8")
    : commandOutput("pgrep", ["-P", String(pid)]);
  return text.split(/\s+/).filter(Boolean).map(Number);
}

/** Picks a port that no other test takes while a server is down: parallel test workers use separate ranges. */
export const stablePort = createPortPicker(
  15_000 + (Number(process.env["BUN_TEST_WORKER_ID"] ?? 0) % 4) * 3_750,
  3_750,
);
