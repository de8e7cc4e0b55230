import { Tenant } from "@toril/contract/api/api-key";
import { issueKey, listKeys } from "@toril/contract/engine/api-keys/key-ledger";
import { Scope } from "@toril/contract/api/scope";
import { type Command, parseDuration, type ParsedArguments, UsageError } from "../command.ts";
import { recordChangeAs } from "../audit/record-change.ts";
import { jsonOption, printResult } from "../output/print-result.ts";
import { describeKey } from "./describe-key.ts";

export const createKey: Command = {
  summary: "create a key; prints it once, on the last line",
  operands: [],
  options: {
    name: { value: "N", help: "name, for example of the holder" },
    scopes: { value: "A,B", help: `list of ${Scope.options.join(", ")}` },
    tenant: { value: "T", help: "tenant of the key (default)" },
    queues: { value: "Q,R", help: "restrict the key to these queues (all)" },
    types: { value: "T,U", help: "restrict the key to these job types (all)" },
    rate: { value: "100", help: "enqueued jobs per second (unlimited)" },
    burst: { value: "200", help: "enqueued jobs at once (as --rate)" },
    "max-waiting": { value: "N", help: "jobs that have not ended (unlimited)" },
    bytes: { value: "N", help: "bytes of request bodies per second (unlimited)" },
    expires: { value: "30d", help: "lifetime, like 90s, 15m, 12h or 30d (unlimited)" },
    ...jsonOption,
  },
  async run(parsed, context) {
    const { inform, withLedger, user, loadJobTypes } = context;
    const { options } = parsed;
    const tenant = requireValid("tenant", Tenant.safeParse(options["tenant"] ?? "default"));
    const jobTypes = await loadJobTypes();
    const request = requireValid("name", jobTypes.schemas.NewApiKey.safeParse(parseKey(options)));
    await withLedger(async (sql) => {
      const { key, ...details } = await issueKey(
        sql,
        tenant,
        request,
        recordChangeAs(user, "createKey"),
      );
      inform(`created ${describeKey(details)}`);
      const isFirst = (await listKeys(sql, { limit: 2 })).length === 1;
      if (isFirst) inform("This is the first key: within 2 s, every producer requires a key.");
      inform("The key is shown once; only its hash is stored:");
      printResult(parsed, context, { ...details, key }, () => key);
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

function parseCount(option: string, options: ParsedArguments["options"]): number | undefined {
  const text = options[option];
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new UsageError(`--${option}: must be a whole number`);
  return Number(text);
}

function parseList(text: string): string[] {
  return text.split(",").map((part) => part.trim());
}

interface Issue {
  path: readonly PropertyKey[];
  message: string;
}

type Checked<Value> =
  | { success: true; data: Value }
  | { success: false; error: { issues: readonly Issue[] } };

function requireValid<Value>(option: string, parsed: Checked<Value>): Value {
  if (parsed.success) return parsed.data;
  const messages = parsed.error.issues.map(
    ({ path, message }) => `--${toOption(path) ?? option}: ${message}`,
  );
  throw new UsageError([...new Set(messages)].join("; "));
}

function toOption(path: readonly PropertyKey[]): string | undefined {
  const name = path[0] === "quotas" ? path[1] : path[0];
  return name?.toString().replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
