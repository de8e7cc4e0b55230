import { Readable } from "node:stream";
import { shippedJobTypes } from "@toril/contract/api/job-types/index";
import { createRegistry, type JobTypeRegistry } from "@toril/contract/api/registry";
import { commandOutput } from "../dev/processes/process-table.ts";
import { createLedgerAccess } from "./ledger.ts";
import { describeError, exitCodes, getExitCode } from "./output/exit-codes.ts";
import { findConfig, loadProject } from "./project/load-project.ts";
import { run } from "./run.ts";

/** The login name by the user id: environment variables can be forged. Falls back to the number. */
function getUserName(): string {
  return commandOutput("id", ["-un"]) || String(process.getuid?.());
}

async function loadJobTypes(): Promise<JobTypeRegistry> {
  const path = findConfig(process.cwd());
  return path === undefined ? createRegistry(shippedJobTypes) : (await loadProject(path)).jobTypes;
}

const interruption = new AbortController();
// A second Ctrl-C ends the process at once.
process.once("SIGINT", () => interruption.abort(new Error("interrupted")));
// Such as `toril tail | head`.
process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
  process.exit(code === "EPIPE" ? exitCodes.ok : exitCodes.failed);
});

try {
  process.exitCode = await run(process.argv.slice(2), {
    print: (line) => process.stdout.write(`${line}\n`),
    inform: (line) => process.stderr.write(`${line}\n`),
    stdout: process.stdout,
    stderr: process.stderr,
    openInput: () => Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
    signal: interruption.signal,
    env: process.env,
    directory: process.cwd(),
    withLedger: createLedgerAccess(process.env, process.cwd()),
    get user() {
      return getUserName();
    },
    loadJobTypes,
  });
} catch (error) {
  if (interruption.signal.aborted) {
    process.exitCode = exitCodes.interrupted;
  } else {
    const message = describeError(error);
    console.error(message === undefined ? error : `toril: ${message}`);
    process.exitCode = getExitCode(error);
  }
}
