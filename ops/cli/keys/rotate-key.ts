import { keyLimits } from "@toril/contract/api/api-key";
import { rotateKey as rotate } from "@toril/contract/engine/api-keys/key-ledger";
import { UserError } from "../../dev/user-error.ts";
import { recordChangeAs } from "../audit/record-change.ts";
import { type Command, getOperand, UsageError } from "../command.ts";
import { parseDuration } from "../duration.ts";
import { describeKey } from "./describe-key.ts";

export const rotateKey: Command = {
  summary: "give a key another secret; it is printed this once, on the last line",
  operands: ["id"],
  options: {
    grace: { value: "1h", help: "for how long the old secret is still good (not at all)" },
  },
  async run(parsed, { print, inform, withLedger, user }) {
    const id = getOperand(parsed);
    const { grace } = parsed.options;
    const graceMs = grace === undefined ? 0 : parseDuration("grace", grace);
    if (graceMs > keyLimits.graceMs) throw new UsageError("--grace: 7d at most");
    const rotated = await withLedger((sql) =>
      rotate(sql, id, { graceMs }, recordChangeAs(user, "rotateKey")),
    );
    if (rotated.status === "missing") throw new UserError(`There is no key ${id}`);
    if (rotated.status === "ended") throw new UserError(`The key ${id} was revoked or has expired`);
    const { key, ...made } = rotated.key;
    inform(`rotated ${describeKey(made)}`);
    if (graceMs > 0) inform(`The old secret is good until ${made.previousUntil}.`);
    print(key);
  },
};
