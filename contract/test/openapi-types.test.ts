import { expect, test } from "bun:test";
import { shippedApi } from "./_job-types.ts";
import { toJobType } from "../src/engine/job-types/to-job-type.ts";
import { shippedJobTypes } from "../src/api/job-types/index.ts";
import { createRegistry } from "../src/api/registry.ts";
import { addJobTypes } from "../src/api/openapi/openapi-types.ts";
import { createApi } from "../src/api/http/index.ts";
import { buildOpenApi } from "../src/api/openapi/openapi.ts";

test("a document with registered types added is the one that would be built with them", () => {
  const named = { type: "string", maxLength: 7 };
  const registered = [
    toJobType("mail.send", {
      worker: "pull",
      queue: "mail",
      data: {
        type: "object",
        properties: { to: { $ref: "#/$defs/name" } },
        $defs: { name: named },
      },
      searchable: ["/to", "/customer/id"],
    }),
    toJobType("any", { worker: "pull", queue: "any", data: {} }),
  ];
  const built = buildOpenApi(createApi(createRegistry([...shippedJobTypes, ...registered])), "1");
  const added = addJobTypes(buildOpenApi(shippedApi, "1"), "echo", registered);
  const toPlain = (document: object) => JSON.parse(JSON.stringify(document)) as unknown;
  expect(toPlain(added)).toEqual(toPlain(built));
});
