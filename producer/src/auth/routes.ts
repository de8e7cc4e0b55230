import { getPrincipal } from "@toril/contract/api/http/principal";
import { handle, type HandledRoute } from "../http/route.ts";

export function principalRoutes(): HandledRoute[] {
  return [
    handle(getPrincipal, (c) => {
      const { scopes, queues, types, ...principal } = c.env.principal;
      const body = {
        ...principal,
        scopes: [...scopes],
        queues: queues && [...queues],
        types: types && [...types],
      };
      return c.json(body, 200, { "Cache-Control": "no-store" });
    }),
  ];
}
