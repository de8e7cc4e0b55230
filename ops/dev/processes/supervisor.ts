import { join } from "node:path";

import { describeExit, type Child, type Exit, type OnSpawn } from "./child.ts";
import type { Output } from "../demo/progress.ts";
import { UserError } from "../user-error.ts";
import type { DataLock } from "../stores/data-lock.ts";

export interface SupervisorSettings {
  dataDir: string;
  output: Output;
  lock: DataLock;
  /** Aborted with an error if a process fails. */
  stop: AbortController;
  /** Whether the others keep running if a process is stopped from outside. */
  toleratesKill: boolean;
}

/** Supervises the processes of one start. */
export interface Supervisor {
  readonly signal: AbortSignal;
  readonly onSpawn: OnSpawn;
  readonly logFile: (name: string) => string;
  readonly print: (text: string) => void;
  /** Takes in a process that is ready; `again` is the command that starts another one like it. */
  supervise(child: Child, address: string, again: string): void;
}

export function createSupervisor(settings: SupervisorSettings): Supervisor {
  const { dataDir, output, lock, stop, toleratesKill } = settings;

  function print(text: string) {
    output.write(`${text}\n`);
  }

  function adopt(child: Child, address: string, again: string) {
    print(`  ${child.name.padEnd(12)} ${address} (pid ${child.pid})`);
    void child.exited.then((exit) => {
      if (child.isStopping || stop.signal.aborted) return;
      const message = `${child.name} (pid ${child.pid}) ${describeExit(exit)}`;
      if (toleratesKill && isExternalStop(exit))
        print(`\n${message}. Start it again with\n  ${again}`);
      else
        stop.abort(
          new UserError(`${message}; its log ${child.logFile} ends with\n${child.logTail()}`),
        );
    });
  }

  return {
    signal: stop.signal,
    onSpawn: (child) => lock.add(child),
    logFile: (name) => join(dataDir, "logs", `${name.replace(" ", "-")}.log`),
    print,
    supervise: adopt,
  };
}

/** A process that a person stops does not stop the others; a crash does. */
function isExternalStop({ code, signal }: Exit): boolean {
  return code === 0 || signal === "SIGKILL" || signal === "SIGTERM" || signal === "SIGINT";
}
