import { keyLimits } from "@toril/contract/api/access/api-key";
import { type Command, getOperand, parseDuration, UsageError } from "../command.ts";
import { printResult } from "../output/print-result.ts";
import { describeKey } from "./describe-key.ts";
import { openKeys, sourceOptions } from "./open-keys.ts";

export const rotateKey: Command = {
  summary: "replace the secret of a key; prints the new key once, on the last line",
  operands: ["id"],
  options: {
    grace: { value: "1h", help: "how long the old secret remains valid (not at all)" },
    ...sourceOptions,
  },
  async run(parsed, context) {
    const { inform } = context;
    const { grace } = parsed.options;
    const graceMs = grace === undefined ? 0 : parseDuration("grace", grace);
    if (graceMs > keyLimits.graceMs) throw new UsageError("--grace: 7d at most");
    const key = await openKeys(parsed, context).rotate(getOperand(parsed), graceMs);
    inform(`rotated ${describeKey(key)}`);
    if (graceMs > 0) inform(`The old secret remains valid until ${key.previousUntil}.`);
    printResult(parsed, context, key, () => key.key);
  },
};

export const revokeKey: Command = {
  summary: "revoke a key for good",
  operands: ["id"],
  options: sourceOptions,
  async run(parsed, context) {
    const revoked = await openKeys(parsed, context).revoke(getOperand(parsed));
    context.inform(`revoked ${describeKey(revoked)}`);
    context.inform("Every producer refuses it within 2 s.");
    printResult(parsed, context, revoked, () => "");
  },
};
