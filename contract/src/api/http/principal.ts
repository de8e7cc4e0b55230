import { Principal } from "../access/principal.ts";
import { json } from "./define/headers.ts";
import { defineRoute } from "./define/route.ts";

export const getPrincipal = defineRoute({
  operationId: "getPrincipal",
  summary: "Get the caller",
  description:
    "Returns the principal of the request, with its scopes and restrictions. Requires any valid key.",
  tags: ["Keys"],
  scope: "any",
  method: "get",
  path: "/v1/whoami",
  responses: {
    200: { description: "The caller", content: json(Principal) },
  },
  problems: [],
});
