import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { commandOutput } from "../../ops/dev/processes/process-table.ts";
import { UserError } from "../../ops/dev/user-error.ts";

export interface K6Settings {
  k6: string;
  root: string;
  script: string;
  env: Record<string, string>;
  summaryFile: string;
  /** Ends the load early when it is aborted. */
  signal: AbortSignal;
}

/** Summary written by loadtest/k6/summary.js; times are Unix milliseconds. */
export interface K6Result {
  isGreen: boolean;
  accepted: number;
  startedAt?: number;
  settledAt?: number;
}

/** Finds k6 on the PATH or in Go's bin directory. */
export function findK6(): string {
  const go = join(commandOutput("go", ["env", "GOPATH"]) || join(homedir(), "go"), "bin/k6");
  const found = ["k6", go].find((command) => commandOutput(command, ["version"]));
  if (found !== undefined) return found;
  throw new UserError(
    "k6 is not installed. With Go: go install go.k6.io/k6@latest\n" +
      "Other ways: https://grafana.com/docs/k6/latest/set-up/install-k6/",
  );
}

/**
 * Checks the script before a stack is started.
 * @throws UserError if the script refuses its options
 */
export function inspect(k6: string, root: string, script: string, load: Record<string, string>) {
  const args = ["inspect", "--include-system-env-vars", `loadtest/${script}.js`];
  const { status } = spawnSync(k6, args, {
    cwd: root,
    env: { ...process.env, ...load },
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new UserError(`k6 cannot run loadtest/${script}.js like that`);
}

/** Runs k6 in this terminal. */
export async function runK6(settings: K6Settings): Promise<K6Result> {
  const { k6, root, script, env, summaryFile, signal } = settings;
  const child = spawn(k6, ["run", "--quiet", `loadtest/${script}.js`], {
    cwd: root,
    env: { ...process.env, ...env, SUMMARY_JSON: summaryFile },
    stdio: "inherit",
    // Forward Ctrl-C only once: a second SIGINT would end k6 without a summary.
    detached: true,
  });
  const stop = () => child.kill("SIGINT");
  signal.addEventListener("abort", stop, { once: true });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  signal.removeEventListener("abort", stop);
  const summary = readSummary(summaryFile);
  if (summary === undefined) throw new UserError(`k6 ended with exit code ${code} and no summary`);
  return { ...summary, isGreen: code === 0 };
}

function readSummary(path: string): Omit<K6Result, "isGreen"> | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Omit<K6Result, "isGreen">;
  } catch {
    return undefined;
  }
}
