import { listKeys } from "@toril/contract/engine/api-keys/key-ledger";
import {
  type Command,
  type CommandContext,
  parseDuration,
  type ParsedArguments,
  UsageError,
} from "../command.ts";
import { namesService } from "../connection/connect.ts";
import { hasLedger } from "../ledger.ts";
import { printResult } from "../output/print-result.ts";
import { describeKey } from "./describe-key.ts";
import { keyOptions, parseCount, parseList, parseScopes } from "./key-options.ts";
import { createLedgerKeys } from "./ledger-keys.ts";
import { openKeys, sourceOptions, tenantOption } from "./open-keys.ts";

export const createKey: Command = {
  summary: "create a key; prints it once, on the last line",
  operands: [],
  options: { ...keyOptions, ...tenantOption, ...sourceOptions },
  async run(parsed, context) {
    const { inform } = context;
    const request = parseKey(parsed.options);
    const keys = (await needsFirstKey(parsed, context))
      ? createLedgerKeys(context, parsed.options["tenant"])
      : openKeys(parsed, context);
    const { key, isFirst } = await keys.create(request);
    inform(`created ${describeKey(key)}`);
    if (isFirst) inform("This is the first key: within 2 s, every producer requires a key.");
    inform("The key is shown once; only its hash is stored:");
    printResult(parsed, context, key, () => key.key);
  },
};

/**
 * Whether the key is the first one, of a service without an address. A producer that is reachable from other machines
 * refuses every request until the ledger has a key.
 */
async function needsFirstKey(parsed: ParsedArguments, context: CommandContext): Promise<boolean> {
  const { env, directory, withLedger } = context;
  if (parsed.flags.has("ledger")) return false;
  if (namesService(parsed, context) || !hasLedger(env, directory)) return false;
  return withLedger(async (sql) => (await listKeys(sql, { limit: 1 })).length === 0);
}

function parseKey(options: ParsedArguments["options"]) {
  const { name, scopes, queues, types, expires } = options;
  if (name === undefined) throw new UsageError("--name is missing");
  if (scopes === undefined) throw new UsageError("--scopes is missing");
  return {
    name,
    scopes: parseScopes(scopes),
    queues: queues === undefined ? null : parseList(queues),
    types: types === undefined ? null : parseList(types),
    quotas: parseQuotas(options),
    expiresAt:
      expires === undefined
        ? null
        : new Date(Date.now() + parseDuration("expires", expires)).toISOString(),
  };
}

function parseQuotas(options: ParsedArguments["options"]) {
  const quotas = {
    rate: parseCount("rate", options),
    burst: parseCount("burst", options),
    maxWaiting: parseCount("max-waiting", options),
    bytes: parseCount("bytes", options),
  };
  return Object.values(quotas).every((count) => count === undefined) ? null : quotas;
}
