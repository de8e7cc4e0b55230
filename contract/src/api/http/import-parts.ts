import { z } from "zod";
import { Import, ImportCompletion, ImportPart, ImportPartPage } from "../import.ts";
import { integerParameter } from "../integer-parameter.ts";
import { limits } from "../limits.ts";
import { pageQuery } from "../page.ts";
import { json } from "./define/headers.ts";
import { contentEncoding, idParameter } from "./define/parameters.ts";
import { defineRoute } from "./define/route.ts";
import { rowFiles } from "./create-import.ts";
import { importProblems } from "./imports.ts";

const tags: [string] = ["Imports"];
const params = idParameter("import");

export const putImportPart = defineRoute({
  operationId: "putImportPart",
  summary: "Send a part of an import",
  description:
    "Parts may be sent in any order, in parallel and to any producer; the client splits the file between rows. Rows are " +
    "enqueued after the whole part has arrived and matches its `Content-Digest`. The ID of a row's job is derived from import, part and row: " +
    `a repeated part creates no second job, and an interrupted part continues. A part may have at most ${limits.importPartBytes} bytes (decompressed) and ${limits.importPartRows} rows. ` +
    "An import whose `format` is `ndjson` has parts of NDJSON.",
  tags,
  scope: "jobs:enqueue",
  method: "put",
  path: "/v1/imports/{id}/parts/{number}",
  request: {
    params: params.extend({
      number: integerParameter(1, limits.importParts).meta({
        param: { name: "number", in: "path" },
        description: "Number of the part, from 1",
        example: 1,
      }),
    }),
    headers: z.object({
      "content-encoding": contentEncoding("Compression of the part"),
      "content-range": z.string().max(100).optional().meta({
        description:
          "Byte range in the file, before compression (RFC 9110): `bytes 0-999/5000` or `bytes 0-999/*`. If all parts have one, the completion checks that they are contiguous",
      }),
      "content-digest": z.string().max(1000).optional().meta({
        description: "SHA-256 or SHA-512 of the body as sent (RFC 9530); 400 if it does not match",
        example: "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
      }),
    }),
    body: { required: true, content: rowFiles },
  },
  responses: {
    200: {
      description: "The same part was received before; nothing changed",
      content: json(ImportPart),
    },
    201: {
      description: "All rows of the part are recorded or rejected",
      content: json(ImportPart),
    },
  },
  problems: [
    "empty-body",
    "incomplete-body",
    "invalid-parameter",
    "digest-mismatch",
    "forbidden-resource",
    "import-not-found",
    "import-gone",
    "import-ended",
    "import-part-exists",
    "import-part-in-use",
    "import-header-missing",
    "body-too-large",
    "unsupported-media-type",
    "invalid-csv",
    "invalid-json",
    "too-many-errors",
    "quota-exceeded",
    "at-capacity",
  ],
});

export const listImportParts = defineRoute({
  operationId: "listImportParts",
  summary: "List the parts of an import",
  description: "Returns the parts that were sent, in order of their numbers.",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/imports/{id}/parts",
  request: { params, query: z.strictObject(pageQuery) },
  responses: { 200: { description: "One page of parts", content: json(ImportPartPage) } },
  problems: importProblems,
});

export const completeImport = defineRoute({
  operationId: "completeImport",
  summary: "Complete an import",
  description:
    "Declares that the file has this number of parts. 409 `import-incomplete` names the missing ones; send them and repeat the request.",
  tags,
  scope: "jobs:enqueue",
  method: "post",
  path: "/v1/imports/{id}/complete",
  request: { params, body: { required: true, content: json(ImportCompletion) } },
  responses: { 200: { description: "The import has all parts", content: json(Import) } },
  problems: [
    "empty-body",
    "invalid-json",
    "unstorable-json",
    "unsupported-media-type",
    "invalid-import",
    "forbidden-resource",
    "import-not-found",
    "import-gone",
    "import-ended",
    "import-incomplete",
    "at-capacity",
  ],
});
