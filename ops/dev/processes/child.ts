import { spawn } from "node:child_process";
import { closeSync } from "node:fs";

import { openLog, readTail } from "./log-file.ts";
import { UserError } from "../user-error.ts";
import { type PollOptions, until } from "../until.ts";

export interface Command {
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  uid?: number | undefined;
  gid?: number | undefined;
}

export interface ChildSettings extends Command {
  name: string;
  logFile: string;
  /** Signal that stops the process, and the time until it is killed. */
  stopSignal?: NodeJS.Signals;
  stopMs: number;
  /** Called when the process exists, before it is ready. */
  onSpawn?: OnSpawn | undefined;
}

export type OnSpawn = (child: Child) => void;

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Child extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly commandLine: string;
  readonly stopSignal: NodeJS.Signals;
  readonly exited: Promise<Exit>;
  readonly isStopping: boolean;
  /** Stops the process, and kills it after `stopMs`, or at once. Idempotent. */
  stop(options?: { atOnce?: boolean }): Promise<Exit>;
  /** Waits until `probe` succeeds. Throws with the end of the log if the process exits first or on timeout. */
  ready<T>(probe: () => Promise<T | undefined>, options: PollOptions): Promise<T>;
  logTail(): string;
}

/** Starts a process in its own session, so that Ctrl-C in the terminal reaches only the parent. */
export async function startChild(settings: ChildSettings): Promise<Child> {
  const {
    name,
    command,
    args,
    logFile,
    stopSignal = "SIGTERM",
    stopMs,
    onSpawn,
    ...rest
  } = settings;
  const log = openLog(logFile);
  const child = spawn(command, args, { ...rest, detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  const exited = new Promise<Exit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("spawn", () => resolve(child.pid as number));
  });

  let isStopping = false;
  let deadline: ReturnType<typeof setTimeout> | undefined;

  async function stop({ atOnce = false } = {}) {
    if (atOnce) child.kill("SIGKILL");
    if (!isStopping) {
      isStopping = true;
      child.kill(stopSignal);
      // A stopped process does not handle the signal.
      child.kill("SIGCONT");
      deadline = setTimeout(() => child.kill("SIGKILL"), stopMs);
    }
    const exit = await exited;
    clearTimeout(deadline);
    return exit;
  }

  async function ready<T>(probe: () => Promise<T | undefined>, options: PollOptions): Promise<T> {
    const gone = new AbortController();
    void exited.then((exit) => gone.abort(new Error(`${name} ${describeExit(exit)}`)));
    const signals = options.signal ? [gone.signal, options.signal] : [gone.signal];
    try {
      return await until(name, probe, { ...options, signal: AbortSignal.any(signals) });
    } catch (error) {
      const reason: unknown = gone.signal.aborted ? gone.signal.reason : error;
      await stop();
      options.signal?.throwIfAborted();
      const message = reason instanceof Error ? reason.message : String(reason);
      throw new UserError(`${message}; its log ${logFile} ends with\n${readTail(logFile)}`, {
        cause: error,
      });
    }
  }

  const self: Child = {
    name,
    pid,
    logFile,
    commandLine: [...asUser(rest), command, ...args].map(quote).join(" "),
    stopSignal,
    exited,
    get isStopping() {
      return isStopping;
    },
    stop,
    ready,
    logTail: () => readTail(logFile),
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
  onSpawn?.(self);
  return self;
}

function asUser({ uid, gid }: Pick<Command, "uid" | "gid">): string[] {
  if (uid === undefined) return [];
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
}

export function describeExit({ code, signal }: Exit): string {
  return signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
}

export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
