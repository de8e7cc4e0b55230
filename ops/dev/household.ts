import { join } from "node:path";

import { describeExit, type Child, type Exit, type OnSpawn } from "./child.ts";
import type { Output } from "./progress.ts";
import { Refusal } from "./refusal.ts";
import type { RunLock } from "./run-lock.ts";

export interface HouseholdSettings {
  dataDir: string;
  output: Output;
  lock: RunLock;
  /** Aborted with an error when a process breaks. */
  stop: AbortController;
  /** Whether it goes on without a process that someone ended from outside. */
  isPatient: boolean;
}

/** The processes of one start, and what they have in common. */
export interface Household {
  readonly signal: AbortSignal;
  readonly onSpawn: OnSpawn;
  readonly logFile: (name: string) => string;
  readonly say: (text: string) => void;
  /** Takes in a process that is ready; `again` is the command that starts another one like it. */
  adopt(child: Child, address: string, again: string): void;
}

export function createHousehold(settings: HouseholdSettings): Household {
  const { dataDir, output, lock, stop, isPatient } = settings;

  function say(text: string) {
    output.write(`${text}\n`);
  }

  function adopt(child: Child, address: string, again: string) {
    say(`  ${child.name.padEnd(12)} ${address} (pid ${child.pid})`);
    void child.exited.then((exit) => {
      if (child.isStopping || stop.signal.aborted) return;
      const news = `${child.name} (pid ${child.pid}) ${describeExit(exit)}`;
      if (isPatient && isFromOutside(exit)) say(`\n${news}. Start it again with\n  ${again}`);
      else
        stop.abort(new Refusal(`${news}; its log ${child.logFile} ends with\n${child.logTail()}`));
    });
  }

  return {
    signal: stop.signal,
    onSpawn: (child) => lock.add(child),
    logFile: (name) => join(dataDir, "logs", `${name.replace(" ", "-")}.log`),
    say,
    adopt,
  };
}

/** Nobody who breaks a process to see what happens wants the rest to stop; a crash is another matter. */
function isFromOutside({ code, signal }: Exit): boolean {
  return code === 0 || signal === "SIGKILL" || signal === "SIGTERM" || signal === "SIGINT";
}
