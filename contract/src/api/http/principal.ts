import { Principal } from "../access/principal.ts";
import { json } from "./define/headers.ts";
import { defineRoute } from "./define/route.ts";

export const getPrincipal = defineRoute({
  operationId: "getPrincipal",
  summary: "Get the caller",
  description:
    "Returns whom the service takes the caller for, with the scopes and restrictions of the key. Requires any valid key.",
  tags: ["Keys"],
  scope: "any",
  method: "get",
  path: "/v1/whoami",
  responses: {
    200: { description: "The caller", content: json(Principal) },
  },
  problems: [],
});
