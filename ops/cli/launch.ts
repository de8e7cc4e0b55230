import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { findBun, findNode, oldestNode } from "./project/runtimes.ts";

/**
 * Runs the command line on the runtime that it needs: consumers on Node 24 or newer, everything else on Bun. Itself, it
 * runs on Node 20 too.
 */
async function launch(args: readonly string[]): Promise<void> {
  const isBun = "bun" in process.versions;
  const isNewNode = !isBun && Number.parseInt(process.versions.node) >= oldestNode;
  if (args[0] === "consumer" ? isNewNode : isBun) {
    await import("./main.ts");
    return;
  }
  const runtime = args[0] === "consumer" ? findNode(process.cwd()) : findBun();
  if (runtime === undefined) {
    const needed =
      args[0] === "consumer"
        ? `a consumer needs Node ${oldestNode} or newer: install it, or run "npm install node@${oldestNode}" in the project`
        : `Bun is missing: run "npm rebuild bun", or install Bun`;
    console.error(`toril: ${needed}`);
    process.exitCode = 1;
    return;
  }
  // `main` beside this module: `.ts` in the repository, `.js` in the package.
  const main = fileURLToPath(new URL(import.meta.url.replace(/launch(\.[jt]s)$/, "main$1")));
  process.exitCode = await run(runtime, [main, ...args]);
}

/** As in the images and units: otherwise Bun sizes its heap by the memory of the machine. */
const heapSettings = { BUN_JSC_forceRAMSize: "268435456" };

function run(command: string, args: readonly string[]): Promise<number> {
  const env = args[1] === "producer" ? { ...heapSettings, ...process.env } : process.env;
  const child = spawn(command, args, { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"] as const) {
    process.on(signal, () => {
      // Ctrl-C in a terminal reaches the child, too.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      resolve(code ?? 128 + constants.signals[signal ?? "SIGTERM"]),
    );
  });
}

await launch(process.argv.slice(2));
