import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { commandOutput } from "../../ops/dev/process-table.ts";
import { UserError } from "../../ops/dev/user-error.ts";

export interface K6Settings {
  k6: string;
  root: string;
  script: string;
  env: Record<string, string>;
  summaryFile: string;
  /** Aborted when the load shall end early. */
  signal: AbortSignal;
}

/** What loadtest/k6/summary.js writes; times are milliseconds since 1970. */
export interface K6Result {
  isGreen: boolean;
  accepted: number;
  startedAt?: number;
  settledAt?: number;
}

/** On the PATH, or where Go puts what it installs. */
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
 * Before a stack is started in vain.
 * @throws Refusal when the script does not take its options
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

/** In this terminal, to its end. */
export async function runK6(settings: K6Settings): Promise<K6Result> {
  const { k6, root, script, env, summaryFile, signal } = settings;
  const child = spawn(k6, ["run", "--quiet", `loadtest/${script}.js`], {
    cwd: root,
    env: { ...process.env, ...env, SUMMARY_JSON: summaryFile },
    stdio: "inherit",
    // A Ctrl-C reaches it once, from here: a second one would end it without a summary.
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
