import type { Exchange } from "./exchange.ts";

export interface AppEnv {
  Bindings: Exchange;
}
