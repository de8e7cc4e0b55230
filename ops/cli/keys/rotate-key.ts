import { keyLimits } from "@toril/contract/api/api-key";
import { rotateKey as rotate } from "@toril/contract/engine/api-keys/key-ledger";
import { Refusal } from "../../dev/refusal.ts";
import { noteAs } from "../audit/note.ts";
import { type Command, operandOf, UsageError } from "../command.ts";
import { parseDuration } from "../duration.ts";
import { describeKey } from "./describe-key.ts";

export const rotateKey: Command = {
  summary: "give a key another secret; it is printed this once, on the last line",
  operands: ["id"],
  options: {
    grace: { value: "1h", help: "for how long the old secret is still good (not at all)" },
  },
  async run(given, { print, tell, inLedger, user }) {
    const id = operandOf(given);
    const { grace } = given.options;
    const graceMs = grace === undefined ? 0 : parseDuration("grace", grace);
    if (graceMs > keyLimits.graceMs) throw new UsageError("--grace: 7d at most");
    const rotated = await inLedger((sql) =>
      rotate(sql, id, { graceMs }, noteAs(user, "rotateKey")),
    );
    if (rotated.status === "missing") throw new Refusal(`There is no key ${id}`);
    if (rotated.status === "ended") throw new Refusal(`The key ${id} was revoked or has expired`);
    const { key, ...made } = rotated.key;
    tell(`rotated ${describeKey(made)}`);
    if (graceMs > 0) tell(`The old secret is good until ${made.previousUntil}.`);
    print(key);
  },
};
