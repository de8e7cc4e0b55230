import type { FaultKind } from "./fault.ts";
import {
  caddy,
  consumers,
  createBackendSignal,
  createClockStep,
  createFreeze,
  createKill,
  createStop,
  everyConsumer,
  master,
  postgres,
  producers,
  replica,
  sentinel,
} from "./process-faults.ts";
import { createNetworkFault, diskFull, flush, outOfMemory } from "./store-faults.ts";

export const faultKinds: readonly FaultKind[] = [
  createKill("producer", producers),
  createStop("producer", producers),
  createFreeze("producer", producers),
  createKill("consumer", consumers),
  createStop("consumer", consumers),
  createFreeze("consumer", consumers),
  createKill("both consumers", everyConsumer),
  createKill("Caddy", caddy),
  createStop("Caddy", caddy),
  createFreeze("Caddy", caddy),
  createKill("Postgres", postgres),
  createStop("Postgres", postgres, "SIGINT"),
  createStop("Postgres", postgres),
  createFreeze("Postgres", postgres),
  createBackendSignal("SIGKILL"),
  createBackendSignal("SIGTERM"),
  createBackendSignal("SIGSTOP"),
  createKill("Redis master", master),
  createStop("Redis master", master),
  createFreeze("Redis master", master),
  createKill("Redis replica", replica),
  createFreeze("Redis replica", replica),
  createKill("Sentinel", sentinel),
  createFreeze("Sentinel", sentinel),
  flush,
  outOfMemory,
  diskFull,
  createNetworkFault("Redis", "reset"),
  createNetworkFault("Redis", "halfOpen"),
  createNetworkFault("Postgres", "reset"),
  createNetworkFault("Postgres", "halfOpen"),
  createClockStep("producers"),
  createClockStep("consumers"),
];

/** Faults that are never injected. */
export const unsupportedFaults: readonly { kind: string; reason: string }[] = [
  {
    kind: "Redis and Postgres: clock step",
    reason:
      "needs the clock of the whole machine; the clocks of producers and consumers are stepped",
  },
];
