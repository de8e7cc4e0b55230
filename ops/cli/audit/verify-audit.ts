import { type AuditHead, verifyAudit as verify } from "@toril/contract/engine/audit/verify-audit";
import { UserError } from "../../dev/user-error.ts";
import { type Command, UsageError } from "../command.ts";
import { jsonOption, printResult } from "../output/print-result.ts";

export const verifyAudit: Command = {
  summary: "recompute every hash; prints sequence number and hash of the newest entry",
  operands: [],
  options: {
    head: { value: "SEQ:HASH", help: "an earlier output, which must still be part of the log" },
    ...jsonOption,
  },
  async run(parsed, context) {
    const { inform, withLedger } = context;
    const { head: earlier } = parsed.options;
    const known = earlier === undefined ? [] : [parseHead(earlier)];
    const result = await withLedger((sql) => verify(sql, known));
    if (result.status === "broken") {
      throw new UserError(`The audit log was altered: ${result.detail}`);
    }
    const { seq, hash } = result.head;
    inform(`The audit log is intact: ${seq} ${seq === 1 ? "entry" : "entries"}.`);
    printResult(parsed, context, { seq, hash }, () => `${seq}:${hash}`);
  },
};

function parseHead(text: string): AuditHead {
  const [, seq, hash] = /^(\d{1,9}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (hash === undefined) throw new UsageError("--head: must be an output of `audit verify`");
  return { seq: Number(seq), hash };
}
