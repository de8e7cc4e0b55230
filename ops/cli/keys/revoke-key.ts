import { revokeKey as revoke } from "@toril/contract/engine/api-keys/key-ledger";
import { UserError } from "../../dev/user-error.ts";
import { recordChangeAs } from "../audit/record-change.ts";
import { type Command, getOperand } from "../command.ts";
import { describeKey } from "./describe-key.ts";

export const revokeKey: Command = {
  summary: "refuse a key from now on, for good",
  operands: ["id"],
  options: {},
  async run(parsed, { inform, withLedger, user }) {
    const id = getOperand(parsed);
    const revoked = await withLedger((sql) =>
      revoke(sql, id, undefined, recordChangeAs(user, "revokeKey")),
    );
    if (revoked === undefined) throw new UserError(`There is no key ${id}`);
    inform(`revoked ${describeKey(revoked)}`);
    inform("Every producer refuses it within 2 s.");
  },
};
