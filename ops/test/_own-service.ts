import { connect } from "node:net";
import type { JobTypes } from "@toril/contract";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { createLogging } from "@toril/contract/engine/logging/logging";
import { _openWorld, _startConsumer } from "../../consumer/test/_world.ts";
import { defineHandlers, type Handlers } from "../../consumer/src/worker/handler.ts";
import { Config } from "../../producer/src/config.ts";
import { openProducer } from "../../producer/src/producer.ts";
import { bun } from "../../producer/src/runtime/serve-bun.ts";

interface Settings {
  /** A private Redis, for tests that flush it. */
  redisUrl?: string;
  /** Variables of the consumer. */
  consumerEnv?: Record<string, string>;
}

/** Starts a producer and a consumer with other job types than those that Toril ships, in this process. */
export async function _startOwnService<Types extends JobTypes>(
  jobTypes: JobTypeRegistry<Types>,
  handlers: Handlers<Types>,
  { redisUrl, consumerEnv = {} }: Settings = {},
) {
  await using opening = new AsyncDisposableStack();
  const world = opening.use(await _openWorld(redisUrl));
  const createHandlers = () => defineHandlers(jobTypes, handlers);
  const plugin = { jobTypes, createHandlers };
  opening.use(await _startConsumer(world, { plugin, env: consumerEnv }));
  const env = {
    DATABASE_URL: world.databaseUrl,
    REDIS_URL: world.redisUrl,
    BULL_PREFIX: world.prefix,
  };
  const logSettings = { level: "error", shipTo: undefined, shipBufferBytes: 0 };
  const { log } = createLogging("producer", logSettings, { connect });
  const config = Config.parse({ ...env, PORT: "0" });
  const producer = await openProducer(jobTypes, config, { log }, bun);
  opening.defer(() => producer.close());
  const opened = opening.move();
  const { sql, redis, prefix } = world;
  return {
    url: producer.url,
    sql,
    redis,
    prefix,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
