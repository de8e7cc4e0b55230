import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Import } from "@toril/client";

export interface ImportClientSettings {
  root: string;
  /** Address of the service. */
  url: string;
  /** Folder for the state of the command. */
  dir: string;
  file: string;
  parallel: number;
  partBytes: number | undefined;
}

/** `toril import` as a process that can be killed. */
export interface ImportClient extends AsyncDisposable {
  readonly pid: number;
  /** Kills the process with SIGKILL, and starts the same command again; not if the command has ended. */
  kill(): void;
  readonly hasEnded: boolean;
  /** Resolves with the import when a command ends; rejects if the command fails. */
  readonly done: Promise<Import>;
}

export function startImportClient(settings: ImportClientSettings): ImportClient {
  const { root, url, dir, file, parallel, partBytes } = settings;
  mkdirSync(dir, { recursive: true });
  const command = [process.execPath, join(root, "ops/cli/main.ts"), "import", file];
  const options = ["--type", "row.import", "--parallel", String(parallel), "--json"];
  if (partBytes !== undefined) options.push("--part-size", String(partBytes));
  const spawn = () =>
    Bun.spawn([...command, ...options], {
      cwd: dir,
      env: { PATH: process.env["PATH"], TORIL_URL: url, XDG_STATE_HOME: dir, XDG_CONFIG_HOME: dir },
      stdio: ["ignore", "pipe", "pipe"],
    });
  let child = spawn();
  let hasEnded = false;

  async function waitForEnd(): Promise<Import> {
    for (;;) {
      const current = child;
      const [code, output, errors] = await Promise.all([
        current.exited,
        current.stdout.text(),
        current.stderr.text(),
      ]);
      if (current !== child) continue;
      hasEnded = true;
      if (code !== 0) throw new Error(`toril import ended with ${code}: ${errors}${output}`);
      return JSON.parse(output) as Import;
    }
  }

  const done = waitForEnd();
  // A caller that fails before does not wait for it.
  done.catch(() => {});
  return {
    get pid() {
      return child.pid;
    },
    get hasEnded() {
      return hasEnded;
    },
    kill() {
      if (child.exitCode !== null) return;
      child.kill("SIGKILL");
      // `waitForEnd` reads the new process once the old one has ended.
      child = spawn();
    },
    done,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}
