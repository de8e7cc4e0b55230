import { Tenant } from "@toril/contract/api/access/api-key";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { Scope } from "@toril/contract/api/access/scope";
import { issueKey, listKeys } from "@toril/contract/engine/api-keys/key-ledger";
import { readChangedJobTypes } from "@toril/contract/engine/job-types/job-type-ledger";
import { openJobTypeTable } from "@toril/contract/engine/job-types/job-type-table";
import type { Sql } from "postgres";
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
    const key = parseKey(options);
    const parsedKey = jobTypes.schemas.NewApiKey.safeParse(key);
    if (!namesUnknownWork(parsedKey)) requireValid("name", parsedKey);
    await withLedger(async (sql) => {
      const { schemas } = parsedKey.success
        ? jobTypes
        : await loadRegistered(sql, jobTypes, tenant);
      const request = requireValid("name", schemas.NewApiKey.safeParse(key));
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

/** Whether only the ledger can tell if a key is valid: its queue or type may be registered there. */
function namesUnknownWork(parsed: Checked<unknown>): boolean {
  if (parsed.success) return false;
  return parsed.error.issues.every(({ path }) => path[0] === "queues" || path[0] === "types");
}

/** Returns the job types of a tenant: those defined in code, and those registered in the ledger. */
async function loadRegistered(
  sql: Sql,
  code: JobTypeRegistry,
  tenant: string,
): Promise<JobTypeRegistry> {
  const rows = await readChangedJobTypes(sql, 0);
  const log = { info() {}, warn() {} };
  const table = await openJobTypeTable({ code, read: async () => rows, log });
  await table.close();
  return table.registry.forTenant(tenant);
}

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
