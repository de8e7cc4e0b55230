import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { identify } from "../dev/processes/process-table.ts";
import { until } from "../dev/until.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Start extends AsyncDisposable {
  output(): string;
  /** Resolves when the output contains `text`; rejects if the process ends first. */
  waitForOutput(text: string): Promise<void>;
  /** Sends SIGINT to npm's process group, as a terminal does on Ctrl-C. */
  ctrlC(): void;
  /** The exit code. */
  readonly ended: Promise<number | null>;
}

/** Runs `npm start -- ...args`. */
export function _npmStart(args: readonly string[], env: NodeJS.ProcessEnv = {}): Start {
  const npm = spawn("npm", ["start", "--", ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const listeners = new Set<() => void>();
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      for (const listener of listeners) listener();
    });
  }
  const ended = new Promise<number | null>((resolve) => npm.once("close", resolve));
  const ctrlC = () => void (npm.exitCode === null && process.kill(-(npm.pid ?? 0), "SIGINT"));

  function says(expected: string) {
    return new Promise<void>((resolve, reject) => {
      const check = () => text.includes(expected) && resolve();
      listeners.add(check);
      check();
      void ended.then(() =>
        reject(new Error(`the output does not contain "${expected}":\n${text}`)),
      );
    });
  }

  return {
    output: () => text,
    waitForOutput: says,
    ctrlC,
    ended,
    async [Symbol.asyncDispose]() {
      ctrlC();
      await ended;
    },
  };
}

/** A data directory that is deleted after the test. */
export function _dataDir(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "toril-start-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The file `env` of a running start. */
export function _readEnv(dataDir: string): Record<string, string> {
  const lines = readFileSync(join(dataDir, "env"), "utf8").trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^(\w+)='?(.*?)'?$/.exec(line) as string[];
      return [name, value];
    }),
  );
}

export function _pids(...lists: (string | undefined)[]): number[] {
  return lists.flatMap((list) => list?.split(" ") ?? []).map(Number);
}

export async function _waitUntilGone(pids: readonly number[]): Promise<void> {
  const areGone = async () => pids.every((pid) => identify(pid) === undefined) || undefined;
  await until(`processes ${pids.join(", ")} end`, areGone, { timeoutMs: 60_000 });
}
