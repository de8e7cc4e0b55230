import { z } from "zod";
import { limits } from "../limits.ts";
import { Import, ImportPage, ImportStatus } from "../import.ts";
import { Operation } from "../operation.ts";
import { pageQuery } from "../page.ts";
import { json, locationBelow } from "./define/headers.ts";
import { idParameter } from "./define/parameters.ts";
import { defineRoute } from "./define/route.ts";

const tags: [string] = ["Imports"];
const file = { schema: { type: "string" as const } };

/** Problems of each operation that reads an import. */
export const importProblems = [
  "invalid-parameter",
  "forbidden-resource",
  "import-not-found",
  "import-gone",
  "at-capacity",
] as const;

export const listImports = defineRoute({
  operationId: "listImports",
  summary: "List imports",
  description:
    "Returns imports, newest first; only those whose job type the API key may access. A page may be empty although more " +
    "results exist; continue until `next` is null.",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/imports",
  request: {
    query: z.strictObject({
      ...pageQuery,
      status: ImportStatus.optional(),
      type: z.string().optional(),
    }),
  },
  responses: { 200: { description: "One page of imports", content: json(ImportPage) } },
  problems: ["invalid-parameter", "forbidden-resource", "at-capacity"],
});

export const getImport = defineRoute({
  operationId: "getImport",
  summary: "Get an import",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/imports/{id}",
  request: { params: idParameter("import") },
  responses: {
    200: { description: "The import", content: json(Import) },
  },
  problems: importProblems,
});

export const cancelImport = defineRoute({
  operationId: "cancelImport",
  summary: "Cancel an import",
  description:
    "The import accepts no more rows, and an operation cancels its pending jobs in the background. Repeating the request is " +
    "harmless. Finished jobs and imported data stay.",
  tags,
  scope: "jobs:change",
  method: "delete",
  path: "/v1/imports/{id}",
  request: { params: idParameter("import") },
  responses: {
    202: {
      description: "The operation that cancels the pending jobs",
      content: json(Operation),
      headers: locationBelow("/v1/operations"),
    },
  },
  problems: [
    "invalid-parameter",
    "forbidden-resource",
    "import-not-found",
    "import-gone",
    "import-ended",
    "too-many-operations",
    "at-capacity",
  ],
});

export const listImportErrors = defineRoute({
  operationId: "listImportErrors",
  summary: "Download the rejected rows of an import",
  description:
    `Returns the rejected rows in the order of the file, with the reason and the text of the row (up to ${limits.importErrorText} characters): the first ${limits.importErrorRows} of a file in one ` +
    `request, and the first ${limits.importPartErrorRows} of each part. They are deleted with the import.`,
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/imports/{id}/errors",
  request: {
    params: idParameter("import"),
    query: z.strictObject({
      format: z.enum(["ndjson", "csv"]).default("ndjson"),
    }),
  },
  responses: {
    200: {
      description: "One line per rejected row",
      content: {
        "application/x-ndjson": {
          ...file,
          example:
            '{"row":3,"part":null,"line":4,"type":"invalid-csv","field":null,"reason":"The row has 1 field, the header 2.","text":"3"}\n',
        },
        "text/csv": {
          ...file,
          example:
            'row,part,line,type,field,reason,text\n3,,4,invalid-csv,,"The row has 1 field, the header 2.",3\n',
        },
      },
    },
  },
  problems: importProblems,
});
