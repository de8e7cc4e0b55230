import type { Child } from "../../../ops/dev/processes/child.ts";
import type { Pids } from "../measure.ts";
import { getTarget, type TargetName } from "./index.ts";
import type { Server, TargetContext, TargetDefinition, TargetJobs } from "./target.ts";

/** A running target. */
export interface Target extends AsyncDisposable {
  name: TargetName;
  definition: TargetDefinition;
  context: TargetContext;
  ports: readonly number[];
  jobs: TargetJobs;
  hasConsumers(): boolean;
  pids(generatorPid: number): Pids;
  startConsumers(count: number): Promise<void>;
  stopConsumers(): Promise<void>;
}

/** Starts the servers of a target, without consumers. */
export async function openTarget(
  name: TargetName,
  context: TargetContext,
  serverCount = 1,
): Promise<Target> {
  const definition = getTarget(name);
  await using opening = new AsyncDisposableStack();
  const servers: Server[] = [];
  for (let count = 0; count < serverCount; count += 1) {
    const server = await definition.startServer(context);
    opening.use(server.child);
    servers.push(server);
  }
  const consumers: Child[] = [];
  const stopConsumers = async () => {
    await Promise.all(consumers.splice(0).map((child) => child.stop()));
  };
  opening.defer(stopConsumers);
  const opened = opening.move();
  const { stores } = context;

  return {
    name,
    definition,
    context,
    ports: servers.map(({ port }) => port),
    jobs: definition.createJobs(stores, servers),
    hasConsumers: () => consumers.length > 0,
    pids: (generatorPid) => ({
      producer: servers.map(({ child }) => child.pid),
      redis: definition.usesRedis ? [stores.redisPid] : [],
      postgres: definition.usesPostgres ? [stores.postgresPid] : [],
      consumer: consumers.map((child) => child.pid),
      generator: [generatorPid],
    }),
    async startConsumers(count) {
      for (let index = 0; index < count; index += 1) {
        consumers.push(await definition.startConsumer(context, servers));
      }
    },
    stopConsumers,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
