import { Tenant } from "@toril/contract/api/access/api-key";
import { issueKey, listKeys } from "@toril/contract/engine/api-keys/key-ledger";
import { type Command, parseDuration, type ParsedArguments, UsageError } from "../command.ts";
import { recordChangeAs } from "../audit/record-change.ts";
import { jsonOption, printResult } from "../output/print-result.ts";
import { describeKey } from "./describe-key.ts";
import { keyOptions, parseCount, parseKeyRequest, parseList, requireValid } from "./key-options.ts";

export const createKey: Command = {
  summary: "create a key; prints it once, on the last line",
  operands: [],
  options: {
    ...keyOptions,
    tenant: { value: "T", help: "tenant of the key (default)" },
    ...jsonOption,
  },
  async run(parsed, context) {
    const { inform, withLedger, user, loadJobTypes } = context;
    const { options } = parsed;
    const tenant = requireValid("tenant", Tenant.safeParse(options["tenant"] ?? "default"));
    const jobTypes = await loadJobTypes();
    const key = parseKey(options);
    const work = { withLedger, tenant };
    const request = await parseKeyRequest(({ NewApiKey }) => NewApiKey, key, jobTypes, work);
    await withLedger(async (sql) => {
      const { key: secret, ...details } = await issueKey(
        sql,
        tenant,
        request,
        recordChangeAs(user, "createKey"),
      );
      inform(`created ${describeKey(details)}`);
      const isFirst = (await listKeys(sql, { limit: 2 })).length === 1;
      if (isFirst) inform("This is the first key: within 2 s, every producer requires a key.");
      inform("The key is shown once; only its hash is stored:");
      printResult(parsed, context, { ...details, key: secret }, () => secret);
    });
  },
};

function parseKey(options: ParsedArguments["options"]) {
  const { name, scopes, queues, types, expires } = options;
  if (name === undefined) throw new UsageError("--name is missing");
  if (scopes === undefined) throw new UsageError("--scopes is missing");
  return {
    name,
    scopes: parseList(scopes),
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
