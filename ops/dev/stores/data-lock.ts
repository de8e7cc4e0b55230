import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Child } from "../processes/child.ts";
import { describeProcess, identify } from "../processes/process-table.ts";
import { UserError } from "../user-error.ts";
import { until } from "../until.ts";

interface Holder {
  name: string;
  pid: number;
  identity: string | undefined;
  stopSignal: NodeJS.Signals;
}

interface LockFile extends Holder {
  address: string;
  startedAt: string;
  children: Holder[];
}

export interface DataLock extends Disposable {
  /** Records a process that a killed start would leave behind. */
  add(child: Child): void;
}

/**
 * Locks a data directory for one start at a time. A killed start leaves its lock and its processes: the
 * next start stops the processes and takes the lock.
 */
export async function lockDataDir(dataDir: string, address: string): Promise<DataLock> {
  mkdirSync(dataDir, { recursive: true });
  const path = join(dataDir, "lock.json");
  const startedAt = new Date().toISOString();
  const self = toHolder({ name: "npm start", pid: process.pid, stopSignal: "SIGTERM" });
  const run: LockFile = { ...self, address, startedAt, children: [] };
  while (!tryCreate(path, run)) await takeStaleLock(path, dataDir);
  return {
    add(child) {
      run.children.push(toHolder(child));
      writeFileSync(`${path}.new`, JSON.stringify(run, undefined, 2));
      renameSync(`${path}.new`, path);
    },
    [Symbol.dispose]: () => rmSync(path, { force: true }),
  };
}

function toHolder({ name, pid, stopSignal }: Omit<Holder, "identity">): Holder {
  return { name, pid, stopSignal, identity: identify(pid) };
}

/** Linked into place, so that no process reads an incomplete lock. */
function tryCreate(path: string, run: LockFile): boolean {
  const complete = `${path}.${process.pid}`;
  writeFileSync(complete, JSON.stringify(run, undefined, 2));
  try {
    linkSync(complete, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(complete);
  }
}

async function takeStaleLock(path: string, dataDir: string): Promise<void> {
  const run = read(path);
  if (run && isAlive(run)) {
    throw new UserError(
      `Toril is already running: ${run.address} and the data in ${dataDir} are used by ${describeProcess(run.pid)}, since ${run.startedAt}.\n` +
        `Stop it with Ctrl-C or "kill ${run.pid}", or start this one with another --port and --data.`,
    );
  }
  // If two starts find the same stale lock, only one can rename it.
  const stale = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, stale);
  } catch {
    return;
  }
  const left = (run?.children ?? []).filter(isAlive).toReversed();
  if (left.length > 0) console.log("The previous start was killed. Stopping its processes ...");
  for (const child of left) await stopLeftover(child);
  rmSync(stale, { force: true });
}

function read(path: string): LockFile | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as LockFile;
  } catch {
    return undefined;
  }
}

function isAlive({ pid, identity }: Holder): boolean {
  return identity !== undefined && identify(pid) === identity;
}

async function stopLeftover(child: Holder): Promise<void> {
  console.log(`  ${child.name} (pid ${child.pid})`);
  const gone = async () => (isAlive(child) ? undefined : true);
  process.kill(child.pid, child.stopSignal);
  try {
    await until(child.name, gone, { timeoutMs: 15_000 });
  } catch {
    process.kill(child.pid, "SIGKILL");
    await until(child.name, gone, { timeoutMs: 15_000 });
  }
}
