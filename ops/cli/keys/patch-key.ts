import type { ApiKeyChange } from "@toril/contract/api/access/api-key";
import { changeKey } from "@toril/contract/engine/api-keys/change-key";
import { readKeyVersion } from "@toril/contract/engine/api-keys/key-ledger";
import { UserError } from "../../dev/user-error.ts";
import { recordChangeAs } from "../audit/record-change.ts";
import {
  type Command,
  getOperand,
  parseDuration,
  type ParsedArguments,
  UsageError,
} from "../command.ts";
import { jsonOption, printResult } from "../output/print-result.ts";
import { describeKey } from "./describe-key.ts";
import { keyOptions, parseCount, parseKeyRequest, parseList } from "./key-options.ts";

/** The value of an option that removes a restriction, a quota or the expiry. */
const unlimited = "unlimited";

export const patchKey: Command = {
  summary: `change a key; ${unlimited} removes a restriction, a quota or the expiry`,
  operands: ["id"],
  options: { ...keyOptions, ...jsonOption },
  async run(parsed, context) {
    const { inform, withLedger, user, loadJobTypes } = context;
    const id = getOperand(parsed);
    const patch = parsePatch(parsed.options);
    if (Object.values(patch).every((value) => value === undefined)) {
      throw new UsageError("nothing to change");
    }
    const jobTypes = await loadJobTypes();
    const current = await withLedger((sql) => readKeyVersion(sql, id, undefined));
    if (current === undefined) throw new UserError(`There is no key ${id}`);
    const work = { withLedger, tenant: current.key.tenant };
    const change = await parseKeyRequest(({ ApiKeyChange }) => ApiKeyChange, patch, jobTypes, work);
    // No check of the version: the command has shown none.
    const request = { tenant: work.tenant, change, check() {} };
    const changed = await withLedger((sql) =>
      changeKey(sql, id, request, recordChangeAs(user, "changeKey")),
    );
    if (changed.status === "missing") throw new UserError(`There is no key ${id}`);
    if (changed.status === "ended") throw new UserError(`The key ${id} is revoked or expired`);
    if (changed.status === "invalid") throw new UsageError(`--${changed.field}: ${changed.detail}`);
    if (changed.status === "last-admin") {
      throw new UserError(`The key ${id} is the last valid one of its tenant with keys:admin`);
    }
    inform(`changed ${describeKey(changed.key)}`);
    inform("Every producer applies the change within 2 s.");
    printResult(parsed, context, changed.key, () => "");
  },
};

function parsePatch(options: ParsedArguments["options"]) {
  const { name, scopes, queues, types, expires } = options;
  const toValue = <Value>(text: string | undefined, parse: (text: string) => Value) =>
    text === undefined ? undefined : text === unlimited ? null : parse(text);
  const toCount = (option: string) =>
    toValue(options[option], () => parseCount(option, options) ?? null);
  const quotas = {
    rate: toCount("rate"),
    burst: toCount("burst"),
    maxWaiting: toCount("max-waiting"),
    bytes: toCount("bytes"),
  } satisfies ApiKeyChange["quotas"];
  return {
    name,
    scopes: scopes === undefined ? undefined : parseList(scopes),
    queues: toValue(queues, parseList),
    types: toValue(types, parseList),
    quotas: Object.values(quotas).every((count) => count === undefined) ? undefined : quotas,
    expiresAt: toValue(expires, (text) =>
      new Date(Date.now() + parseDuration("expires", text)).toISOString(),
    ),
  };
}
