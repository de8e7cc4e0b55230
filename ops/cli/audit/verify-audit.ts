import { type AuditHead, verifyAudit as verify } from "@toril/contract/engine/audit/verify-audit";
import { UserError } from "../../dev/user-error.ts";
import { type Command, UsageError } from "../command.ts";

export const verifyAudit: Command = {
  summary: "compute every hash again; prints the newest entry's place and hash",
  operands: [],
  options: {
    head: { value: "SEQ:HASH", help: "what it printed some time ago: that must still stand there" },
  },
  async run({ options }, { print, inform, withLedger }) {
    const { head } = options;
    const known = head === undefined ? [] : [parseHead(head)];
    const verdict = await withLedger((sql) => verify(sql, known));
    if (verdict.status === "broken") {
      throw new UserError(`The audit log is not what was written: ${verdict.detail}`);
    }
    const { seq, hash } = verdict.head;
    inform(`The audit log is whole: ${seq} ${seq === 1 ? "entry" : "entries"}.`);
    print(`${seq}:${hash}`);
  },
};

function parseHead(text: string): AuditHead {
  const [, seq, hash] = /^(\d{1,9}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (hash === undefined) throw new UsageError("--head: what `audit verify` printed, SEQ:HASH");
  return { seq: Number(seq), hash };
}
