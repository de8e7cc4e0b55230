import type { Exchange } from "./request-context.ts";

export interface AppEnv {
  Bindings: Exchange;
}
