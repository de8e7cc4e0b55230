import { fileURLToPath } from "node:url";
import { shippedJobTypes } from "@toril/contract/api/job-types/index";
import { createRegistry } from "@toril/contract/api/registry";
import { ConfigError } from "@toril/contract/engine/config/config";
import { commandOutput } from "../dev/process-table.ts";
import { UserError } from "../dev/user-error.ts";
import { UsageError } from "./command.ts";
import { createLedgerAccess } from "./ledger.ts";
import { run } from "./run.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The system's word: what the environment says, whoever calls may choose. A user without a name is a number. */
function userName(): string {
  return commandOutput("id", ["-un"]) || String(process.getuid?.());
}

try {
  await run(process.argv.slice(2), {
    print: (line) => console.log(line),
    inform: (line) => console.error(line),
    withLedger: createLedgerAccess(process.env, root),
    user: userName(),
    jobTypes: createRegistry(shippedJobTypes),
  });
} catch (error) {
  const isTypo = error instanceof UsageError || error instanceof ConfigError;
  const isExpected = isTypo || error instanceof UserError;
  console.error(isExpected ? `toril: ${error.message}` : error);
  process.exitCode = isTypo ? 2 : 1;
}
