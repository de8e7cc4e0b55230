import { listAudit } from "./audit/list-audit.ts";
import { verifyAudit } from "./audit/verify-audit.ts";
import type { Command } from "./command.ts";
import { createKey } from "./keys/create-key.ts";
import { listKeys } from "./keys/list-keys.ts";
import { revokeKey } from "./keys/revoke-key.ts";
import { rotateKey } from "./keys/rotate-key.ts";

export interface Group {
  summary: string;
  commands: Readonly<Record<string, Command>>;
}

/** Everything that `toril` can do. */
export const groups: Readonly<Record<string, Group>> = {
  keys: {
    summary: "who may call, and what they may do",
    commands: { create: createKey, list: listKeys, rotate: rotateKey, revoke: revokeKey },
  },
  audit: {
    summary: "what administrators changed",
    commands: { list: listAudit, verify: verifyAudit },
  },
};
