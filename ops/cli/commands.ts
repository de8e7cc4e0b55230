import { listAudit, verifyAudit } from "./audit/audit-commands.ts";
import type { Command } from "./command.ts";
import { revokeKey, rotateKey } from "./keys/change-key.ts";
import { createKey } from "./keys/create-key.ts";
import { listKeys } from "./keys/list-keys.ts";

export interface Group {
  summary: string;
  commands: Readonly<Record<string, Command>>;
}

/** All commands of `toril`. */
export const groups: Readonly<Record<string, Group>> = {
  keys: {
    summary: "API keys, their scopes and quotas",
    commands: { create: createKey, list: listKeys, rotate: rotateKey, revoke: revokeKey },
  },
  audit: {
    summary: "the audit log of administrative changes",
    commands: { list: listAudit, verify: verifyAudit },
  },
};
