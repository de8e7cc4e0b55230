import { test } from "bun:test";

import { breakUnderLoad } from "./_failover.ts";
import { startSentinels } from "../dev/stores/redis-fleet.ts";
import { startStack } from "./_stack.ts";

test.each([
  ["hangs", "SIGSTOP", false],
  // Clients learn the new master from the other Sentinels while they wait for this one.
  ["is killed while a Sentinel hangs", "SIGKILL", true],
] as const)(
  "behind Sentinels, no accepted job is lost when a master %s under load, and jobs are dispatched to the new master",
  async (_, signal, sentinelHangs) => {
    await using redis = await startSentinels("toril");
    await using stack = await startStack({ env: redis.env });
    if (sentinelHangs) await redis.sentinels[0]!.kill("SIGSTOP");
    await breakUnderLoad(stack, redis.first, [redis.replica], signal);
  },
);
