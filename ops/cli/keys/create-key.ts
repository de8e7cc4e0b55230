import { Tenant } from "@toril/contract/api/api-key";
import { issueKey, listKeys } from "@toril/contract/engine/api-keys/key-ledger";
import { Scope } from "@toril/contract/api/scope";
import { type Command, type ParsedArguments, UsageError } from "../command.ts";
import { parseDuration } from "../duration.ts";
import { recordChangeAs } from "../audit/record-change.ts";
import { describeKey } from "./describe-key.ts";

export const createKey: Command = {
  summary: "make a key; it is printed this once, on the last line",
  operands: [],
  options: {
    name: { value: "N", help: "who holds it, and what for" },
    scopes: { value: "A,B", help: `what it may do: ${Scope.options.join(", ")}` },
    tenant: { value: "T", help: "whose jobs it sees and makes (default)" },
    queues: { value: "Q,R", help: "the only queues it reaches (all)" },
    types: { value: "T,U", help: "the only job types it reaches (all)" },
    rate: { value: "100", help: "how many jobs a second it may hand over (any)" },
    burst: { value: "200", help: "how many at once (as many as --rate)" },
    "max-waiting": { value: "N", help: "how many that have not ended (any)" },
    bytes: { value: "N", help: "how many bytes of bodies a second (any)" },
    expires: { value: "30d", help: "when it ends: 90s, 15m, 12h, 30d (never)" },
  },
  async run({ options }, { print, inform, withLedger, user, jobTypes }) {
    const tenant = requireValid("tenant", Tenant.safeParse(options["tenant"] ?? "default"));
    const wanted = requireValid("name", jobTypes.schemas.NewApiKey.safeParse(parseKey(options)));
    await withLedger(async (sql) => {
      const { key, ...made } = await issueKey(
        sql,
        tenant,
        wanted,
        recordChangeAs(user, "createKey"),
      );
      inform(`made ${describeKey(made)}`);
      const isFirst = (await listKeys(sql, { limit: 2 })).length === 1;
      if (isFirst) inform("It is the first: within 2 s every producer wants one.");
      inform("It is shown this once, and only its hash is kept:");
      print(key);
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
  const complaints = parsed.error.issues.map(
    ({ path, message }) => `--${toOption(path) ?? option}: ${message}`,
  );
  throw new UsageError([...new Set(complaints)].join("; "));
}

function toOption(path: readonly PropertyKey[]): string | undefined {
  const name = path[0] === "quotas" ? path[1] : path[0];
  return name?.toString().replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
