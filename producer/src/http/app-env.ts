import type { RequestContext } from "./request-context.ts";

export interface AppEnv {
  Bindings: RequestContext;
}
