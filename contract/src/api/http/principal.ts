import { Principal } from "../principal.ts";
import { defineRoute, json } from "./route.ts";

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
