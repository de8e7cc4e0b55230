import type { JobTypeRegistry, RequestSchemas } from "@toril/contract/api/registry";
import { Scope } from "@toril/contract/api/access/scope";
import { readChangedJobTypes } from "@toril/contract/engine/job-types/job-type-ledger";
import { openJobTypeTable } from "@toril/contract/engine/job-types/job-type-table";
import type { Sql } from "postgres";
import { type CommandContext, type Options, type ParsedArguments, UsageError } from "../command.ts";

/** The options of a key that can be changed. */
export const keyOptions: Options = {
  name: { value: "N", help: "name, for example of the holder" },
  scopes: { value: "A,B", help: `list of ${Scope.options.join(", ")}` },
  queues: { value: "Q,R", help: "restrict the key to these queues (all)" },
  types: { value: "T,U", help: "restrict the key to these job types (all)" },
  rate: { value: "100", help: "enqueued jobs per second (unlimited)" },
  burst: { value: "200", help: "enqueued jobs at once (as --rate)" },
  "max-waiting": { value: "N", help: "pending jobs (unlimited)" },
  bytes: { value: "N", help: "bytes of request bodies per second (unlimited)" },
  expires: { value: "30d", help: "lifetime, like 90s, 15m, 12h or 30d (unlimited)" },
};

/**
 * Validates a request about keys. If it names a queue or type that the code does not define, reads the registered types
 * from the ledger first.
 */
export async function parseKeyRequest<Value>(
  select: (schemas: RequestSchemas) => { safeParse(value: unknown): Checked<Value> },
  value: unknown,
  jobTypes: JobTypeRegistry,
  { withLedger, tenant }: Pick<CommandContext, "withLedger"> & { tenant: string },
): Promise<Value> {
  const parsed = select(jobTypes.schemas).safeParse(value);
  if (!namesUnknownWork(parsed)) return requireValid("name", parsed);
  const { schemas } = await withLedger((sql) => loadRegistered(sql, jobTypes, tenant));
  return requireValid("name", select(schemas).safeParse(value));
}

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

/** Parses a quota. */
export function parseCount(
  option: string,
  options: ParsedArguments["options"],
): number | undefined {
  const text = options[option];
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new UsageError(`--${option}: must be a whole number`);
  return Number(text);
}

/** Splits a list at commas. */
export function parseList(text: string): string[] {
  return text.split(",").map((part) => part.trim());
}

interface Issue {
  path: readonly PropertyKey[];
  message: string;
}

export type Checked<Value> =
  | { success: true; data: Value }
  | { success: false; error: { issues: readonly Issue[] } };

/** Returns the value, or throws an error that names the options. */
export function requireValid<Value>(option: string, parsed: Checked<Value>): Value {
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
