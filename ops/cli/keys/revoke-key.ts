import { revokeKey as revoke } from "@toril/contract/engine/api-keys/key-ledger";
import { Refusal } from "../../dev/refusal.ts";
import { noteAs } from "../audit/note.ts";
import { type Command, operandOf } from "../command.ts";
import { describeKey } from "./describe-key.ts";

export const revokeKey: Command = {
  summary: "refuse a key from now on, for good",
  operands: ["id"],
  options: {},
  async run(given, { tell, inLedger, user }) {
    const id = operandOf(given);
    const revoked = await inLedger((sql) => revoke(sql, id, undefined, noteAs(user, "revokeKey")));
    if (revoked === undefined) throw new Refusal(`There is no key ${id}`);
    tell(`revoked ${describeKey(revoked)}`);
    tell("Every producer refuses it within 2 s.");
  },
};
