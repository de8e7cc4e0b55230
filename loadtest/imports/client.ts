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
  /** Kills the process with SIGKILL, and starts the same command again. */
  kill(): Promise<void>;
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

  async function waitForEnd(): Promise<Import> {
    for (;;) {
      const current = child;
      const [code, output, errors] = await Promise.all([
        current.exited,
        current.stdout.text(),
        current.stderr.text(),
      ]);
      if (current.signalCode === "SIGKILL") continue;
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
    async kill() {
      const killed = child;
      killed.kill("SIGKILL");
      // The loop above reads the new process once the old one has ended.
      child = spawn();
      await killed.exited;
      if (killed.signalCode !== "SIGKILL") throw new Error("toril import had already ended");
    },
    done,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}
