import { z } from "zod";
import { AuditPage } from "../access/audit-entry.ts";
import { pageQuery } from "../page.ts";
import { RequestTime } from "../jobs/job-options.ts";
import { json } from "./define/headers.ts";
import { defineRoute } from "./define/route.ts";

const text = z.string().min(1).max(1000);

export const listAudit = defineRoute({
  operationId: "listAudit",
  summary: "List the audit log",
  description:
    "Returns the entries of the tenant, newest first: administrative changes, changes of schedules, operations, and actions and sign-ins of the console, " +
    "also those that failed. With `actor`, `action` or `target` a page may be short although more results exist; continue until `next` is null. " +
    "Requires a key that is not restricted to queues or types.",
  tags: ["Audit log"],
  scope: "audit:read",
  method: "get",
  path: "/v1/audit",
  request: {
    query: z.strictObject({
      ...pageQuery,
      actor: text.optional().meta({ example: "key:0mibwkq0705f60718" }),
      action: text.optional().meta({ description: "An `operationId`", example: "pauseQueue" }),
      target: text.optional().meta({
        description: "Path of a resource; includes the paths below it",
        example: "/v1/queues/default",
      }),
      after: RequestTime.optional().meta({ description: "Only entries at or after this time" }),
      before: RequestTime.optional().meta({ description: "Only entries before this time" }),
    }),
  },
  responses: { 200: { description: "One page of entries", content: json(AuditPage) } },
  problems: ["invalid-parameter", "forbidden-resource", "at-capacity"],
});
