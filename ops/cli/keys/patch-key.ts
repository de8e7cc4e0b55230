import type { ApiKeyChange } from "@toril/contract/api/access/api-key";
import {
  type Command,
  getOperand,
  parseDuration,
  type ParsedArguments,
  UsageError,
} from "../command.ts";
import { printResult } from "../output/print-result.ts";
import { describeKey } from "./describe-key.ts";
import { keyOptions, parseCount, parseList, parseScopes } from "./key-options.ts";
import { openKeys, sourceOptions } from "./open-keys.ts";

/** The value of an option that removes a restriction, a quota or the expiry. */
const unlimited = "unlimited";

export const patchKey: Command = {
  summary: `change a key; ${unlimited} removes a restriction, a quota or the expiry`,
  operands: ["id"],
  options: { ...keyOptions, ...sourceOptions },
  async run(parsed, context) {
    const patch = parsePatch(parsed.options);
    if (Object.values(patch).every((value) => value === undefined)) {
      throw new UsageError("nothing to change");
    }
    const changed = await openKeys(parsed, context).change(getOperand(parsed), patch);
    context.inform(`changed ${describeKey(changed)}`);
    context.inform("Every producer applies the change within 2 s.");
    printResult(parsed, context, changed, () => "");
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
    scopes: scopes === undefined ? undefined : parseScopes(scopes),
    queues: toValue(queues, parseList),
    types: toValue(types, parseList),
    quotas: Object.values(quotas).every((count) => count === undefined) ? undefined : quotas,
    expiresAt: toValue(expires, (text) =>
      new Date(Date.now() + parseDuration("expires", text)).toISOString(),
    ),
  };
}
