import type { Api } from "@toril/contract/api/http/index";
import { ImportCompletion } from "@toril/contract/api/import";
import { limits } from "@toril/contract/api/limits";
import { fieldErrors } from "@toril/contract/api/problem";
import { z } from "zod";
import { readJson } from "../../http/body.ts";
import { findJobType, getOrigin, requirePermitted } from "../../http/caller.ts";
import { decodeCursor, encodeCursor } from "../../http/cursor.ts";
import { ProblemError } from "../../http/problem.ts";
import type { RequestContext } from "../../http/request-context.ts";
import { handle, type HandledRoute } from "../../http/route.ts";
import { type ImportLedger, requireImport } from "../import-ledger.ts";
import type { PartImporter } from "./import-part.ts";
import { readPart } from "./read-part.ts";
import type { PartedImport, PartLedger } from "./part-ledger.ts";
import { sha256 } from "../sha256.ts";

export interface PartRoutesDeps {
  api: Api;
  importLedger: ImportLedger;
  parts: PartLedger;
  partImporter: PartImporter;
}

/** Whether the last character is a line break, in any encoding. */
function endsWithLineBreak(body: Uint8Array): boolean {
  const last = body.findLast((byte) => byte !== 0);
  return last === 0x0a || last === 0x0d;
}

const PartCursor = z.string().regex(/^\d{1,4}$/);

export function partRoutes({
  api,
  importLedger,
  parts,
  partImporter,
}: PartRoutesDeps): HandledRoute[] {
  async function requirePartedImport(context: RequestContext, id: string): Promise<PartedImport> {
    const found = await parts.findImport(context.principal.tenant, id);
    if (found === undefined) {
      await requireImport(importLedger, context, id);
      throw new ProblemError("import-ended", "The file of the import was sent in one request.");
    }
    requirePermitted(context, { type: found.type, queue: context.jobTypes.getQueue(found.type) });
    return found;
  }

  return [
    handle(api.putImportPart, async (c) => {
      const { id, number } = c.req.valid("param");
      const of = await requirePartedImport(c.env, id);
      const jobType = await findJobType(c.env, of.type);
      if (jobType === undefined) throw new ProblemError("import-ended", "Its job type is gone.");
      const { body, position, fileBytes } = await readPart(c.env, of.definition);
      const sent = {
        part: number,
        digest: sha256(body),
        bytes: body.length,
        position,
        fileBytes,
        endsRow: of.definition.format !== "csv" || endsWithLineBreak(body),
      };
      const { status, body: part } = await partImporter.run({
        of,
        jobType,
        sent,
        body,
        origin: getOrigin(c.env),
        quota: c.env.quota?.blocking,
      });
      return c.json(part, status);
    }),

    handle(api.listImportParts, async (c) => {
      const { id } = await requireImport(importLedger, c.env, c.req.valid("param").id);
      const { cursor, limit } = c.req.valid("query");
      const after = cursor === undefined ? 0 : Number(decodeCursor(cursor, PartCursor));
      const { tenant } = c.env.principal;
      const rows = await parts.list({ tenant, id }, after, limit + 1);
      const items = rows.slice(0, limit);
      const last = rows.length > limit ? items.at(-1) : undefined;
      return c.json({ items, next: last ? encodeCursor(String(last.number)) : null }, 200);
    }),

    handle(api.completeImport, async (c) => {
      const parsed = ImportCompletion.safeParse(await readJson(c.env, limits.bodyBytes));
      if (!parsed.success) {
        throw new ProblemError("invalid-import", undefined, fieldErrors(parsed.error.issues));
      }
      const { id } = await requirePartedImport(c.env, c.req.valid("param").id);
      const { tenant } = c.env.principal;
      return c.json(await importLedger.complete({ tenant, id }, parsed.data.parts), 200);
    }),
  ];
}
