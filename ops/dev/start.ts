import { fileURLToPath } from "node:url";

import { UserError } from "./user-error.ts";
import { parseStartOptions, startUsage } from "./start-options.ts";
import { runToril } from "./toril.ts";

class Interrupted extends Error {
  override readonly name = "Interrupted";
}

// One Ctrl-C may arrive twice: from the terminal, and forwarded by npm.
const duplicateSignalMs = 1_000;

function listen(stop: AbortController, kill: AbortController): void {
  let firstAt: number | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      firstAt ??= performance.now();
      if (performance.now() - firstAt > duplicateSignalMs) kill.abort();
      stop.abort(new Interrupted(`stopped by ${signal}`));
    });
  }
}

/** @returns the exit code */
async function main(): Promise<number> {
  const stop = new AbortController();
  const kill = new AbortController();
  let isOnce = false;
  try {
    const root = fileURLToPath(new URL("../../", import.meta.url));
    // npm changes to the project directory; INIT_CWD is the original one.
    const cwd = process.env["INIT_CWD"] ?? process.cwd();
    const options = parseStartOptions(process.argv.slice(2), { root, cwd });
    if (options === "help") {
      process.stdout.write(startUsage);
      return 0;
    }
    isOnce = options.once;
    listen(stop, kill);
    const { env, stdout: output } = process;
    await runToril({ root, options, env, output, stop, killSignal: kill.signal });
    return 0;
  } catch (error) {
    const reason: unknown = stop.signal.aborted ? stop.signal.reason : error;
    if (reason instanceof Interrupted && !isOnce) return 0;
    const isUnexpected = !(reason instanceof UserError || reason instanceof Interrupted);
    console.error(isUnexpected ? reason : `\n${(reason as Error).message}`);
    return 1;
  }
}

process.exitCode = await main();
