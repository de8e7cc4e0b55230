import type { Origin } from "@toril/contract/enqueue/new-job";
import type { Exchange } from "./exchange.ts";

const traceParent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** On whose behalf a request is made. Without keys everything belongs to one tenant. */
export function callerOf({ request }: Exchange): Origin {
  const trace = request.headers.get("traceparent");
  return { tenant: "default", trace: trace && traceParent.test(trace) ? trace : undefined };
}
