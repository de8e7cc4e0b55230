import { keyLimits } from "@toril/contract/api/access/api-key";
import {
  revokeKey as revoke,
  rotateKey as rotate,
} from "@toril/contract/engine/api-keys/key-ledger";
import { UserError } from "../../dev/user-error.ts";
import { recordChangeAs } from "../audit/record-change.ts";
import { type Command, getOperand, parseDuration, UsageError } from "../command.ts";
import { jsonOption, printResult } from "../output/print-result.ts";
import { describeKey } from "./describe-key.ts";

export const rotateKey: Command = {
  summary: "replace the secret of a key; prints the new key once, on the last line",
  operands: ["id"],
  options: {
    grace: { value: "1h", help: "how long the old secret remains valid (not at all)" },
    ...jsonOption,
  },
  async run(parsed, context) {
    const { inform, withLedger, user } = context;
    const id = getOperand(parsed);
    const { grace } = parsed.options;
    const graceMs = grace === undefined ? 0 : parseDuration("grace", grace);
    if (graceMs > keyLimits.graceMs) throw new UsageError("--grace: 7d at most");
    const rotated = await withLedger((sql) =>
      rotate(sql, id, { graceMs }, recordChangeAs(user, "rotateKey")),
    );
    if (rotated.status === "missing") throw new UserError(`There is no key ${id}`);
    if (rotated.status === "ended") throw new UserError(`The key ${id} is revoked or expired`);
    const { key, ...details } = rotated.key;
    inform(`rotated ${describeKey(details)}`);
    if (graceMs > 0) inform(`The old secret remains valid until ${details.previousUntil}.`);
    printResult(parsed, context, { ...details, key }, () => key);
  },
};

export const revokeKey: Command = {
  summary: "revoke a key for good",
  operands: ["id"],
  options: jsonOption,
  async run(parsed, context) {
    const { inform, withLedger, user } = context;
    const id = getOperand(parsed);
    const revoked = await withLedger((sql) =>
      revoke(sql, id, undefined, recordChangeAs(user, "revokeKey")),
    );
    if (revoked === undefined) throw new UserError(`There is no key ${id}`);
    inform(`revoked ${describeKey(revoked)}`);
    inform("Every producer refuses it within 2 s.");
    printResult(parsed, context, revoked, () => "");
  },
};
