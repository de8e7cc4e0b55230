import { getLiveness, getReadiness } from "@toril/contract/api/http/health";
import { handle, type HandledRoute } from "../http/route.ts";
import { createReadiness, type ReadinessDeps } from "./readiness.ts";

export function healthRoutes(deps: ReadinessDeps): HandledRoute[] {
  const readiness = createReadiness(deps);

  return [
    handle(getLiveness, (c) => c.json({ status: "ok" }, 200)),

    // 503 only if no job can be accepted: without Redis the producer still accepts jobs (202), so it must stay in the
    // load balancer.
    handle(getReadiness, async (c) => {
      const state = await readiness();
      return c.json(state, state.status === "ok" || state.status === "degraded" ? 200 : 503);
    }),
  ];
}
