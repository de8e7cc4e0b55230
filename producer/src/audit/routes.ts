import { z } from "zod";
import { listAudit } from "@toril/contract/api/http/audit";
import {
  type AuditPosition,
  listAudit as readAudit,
} from "@toril/contract/engine/audit/list-audit";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { requireUnrestricted } from "../http/caller.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import type { Reads } from "../stores/reads.ts";

export function auditRoutes(reads: Reads): HandledRoute[] {
  return [
    handle(listAudit, async (c) => {
      const { tenant } = c.env.principal;
      requireUnrestricted(c.env, "The audit log");
      const { cursor, after, before, ...filter } = c.req.valid("query");
      const { items, next } = await reads.scan(tenant, (sql) =>
        readAudit(sql, {
          ...filter,
          tenant,
          after: after === undefined ? undefined : new Date(after),
          before: before === undefined ? undefined : new Date(before),
          cursor: cursor === undefined ? undefined : decodePosition(cursor),
        }),
      );
      return c.json({ items, next: next === undefined ? null : encodePosition(next) }, 200);
    }),
  ];
}

const Position = z.string().regex(/^\d{1,15}_\d{1,9}$/);

function encodePosition({ at, seq }: AuditPosition): string {
  return encodeCursor(`${at.getTime()}_${seq}`);
}

function decodePosition(cursor: string): AuditPosition {
  const [at = 0, seq = 0] = decodeCursor(cursor, Position).split("_").map(Number);
  return { at: new Date(at), seq };
}
