import { shippedJobTypes } from "@toril/contract/api/job-types/index";
import { createRegistry } from "@toril/contract/api/registry";
import { ConfigError } from "@toril/contract/engine/config/config";
import { commandOutput } from "../dev/process-table.ts";
import { UserError } from "../dev/user-error.ts";
import { UsageError } from "./command.ts";
import { createLedgerAccess } from "./ledger.ts";
import { run } from "./run.ts";

/** The login name by the user id: environment variables can be forged. Falls back to the number. */
function getUserName(): string {
  return commandOutput("id", ["-un"]) || String(process.getuid?.());
}

try {
  await run(process.argv.slice(2), {
    print: (line) => console.log(line),
    inform: (line) => console.error(line),
    withLedger: createLedgerAccess(process.env, process.cwd()),
    user: getUserName(),
    jobTypes: createRegistry(shippedJobTypes),
  });
} catch (error) {
  const isUsageError = error instanceof UsageError || error instanceof ConfigError;
  const isExpected = isUsageError || error instanceof UserError;
  console.error(isExpected ? `toril: ${error.message}` : error);
  process.exitCode = isUsageError ? 2 : 1;
}
