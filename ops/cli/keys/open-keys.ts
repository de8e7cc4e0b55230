import { type CommandContext, type Options, type ParsedArguments, UsageError } from "../command.ts";
import { connectionOptions, findConnection } from "../connection/connect.ts";
import type { Keys } from "./keys.ts";
import { createLedgerKeys } from "./ledger-keys.ts";
import { createServiceKeys } from "./service-keys.ts";

/** Options of every command about keys. */
export const sourceOptions: Options = {
  ledger: { help: "use the ledger (DATABASE_URL) instead of the service; needs no API key" },
  ...connectionOptions,
};

export const tenantOption = {
  tenant: { value: "T", help: "with --ledger: tenant of the keys" },
} satisfies Options;

/** Opens the keys at the service, or in the ledger with `--ledger`. */
export function openKeys(parsed: ParsedArguments, context: CommandContext): Keys {
  const { tenant } = parsed.options;
  if (!parsed.flags.has("ledger")) {
    if (tenant !== undefined) {
      throw new UsageError("--tenant needs --ledger: the service uses the tenant of the API key");
    }
    return createServiceKeys(findConnection(parsed, context), context.signal);
  }
  const extra = ["url", "key", "profile"].find((name) => name in parsed.options);
  if (extra !== undefined) throw new UsageError(`--ledger and --${extra} are mutually exclusive`);
  return createLedgerKeys(context, tenant);
}
