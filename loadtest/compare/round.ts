import { availableParallelism } from "node:os";

import type { LoadResult } from "./closed-loop.ts";
import { readCpuTimes, readMachineTime } from "./cpu.ts";
import type { Generator } from "./generator.ts";
import type { Stores } from "./stores.ts";
import type { Target } from "./targets.ts";

export interface RoundSettings {
  target: Target;
  stores: Stores;
  generator: Generator;
  connections: number;
  bodyBytes: number;
  seconds: number;
}

export interface Round extends LoadResult {
  jobsPerSecond: number;
  /** CPU time per created job, in µs. */
  cpuUs: { server: number; redis: number; postgres: number; all: number; generator: number };
  /** Share of the machine's CPU used by unrelated processes. */
  othersShare: number;
}

/** @throws if the number of 201 responses differs from the jobs in Redis or in the ledger */
export async function runRound(settings: RoundSettings): Promise<Round> {
  const { target, stores, generator, connections, bodyBytes, seconds } = settings;
  await stores.empty();
  await generator.connect(target.port, connections, bodyBytes);
  const pids = {
    server: target.pid,
    redis: stores.redisPid,
    postgres: stores.postgresPid,
    generator: generator.pid,
  };
  const machineBefore = readMachineTime();
  const before = readCpuTimes(pids);
  const result = await generator.run(seconds);
  const after = readCpuTimes(pids);
  const machineUs = readMachineTime() - machineBefore;
  await checkStores(target, stores, result);

  const perJob = (name: keyof typeof pids) => (after[name] - before[name]) / result.created;
  const [server, redis, postgres] = [perJob("server"), perJob("redis"), perJob("postgres")];
  const all = server + redis + postgres;
  const ownUs = (all + perJob("generator")) * result.created;
  return {
    ...result,
    jobsPerSecond: result.created / result.seconds,
    cpuUs: { server, redis, postgres, all, generator: perJob("generator") },
    othersShare: (machineUs - ownUs) / (result.seconds * 1e6 * availableParallelism()),
  };
}

async function checkStores(target: Target, stores: Stores, { created, errors }: LoadResult) {
  const dispatched = await stores.countWaiting(target.waitKey);
  const recorded = target.hasLedger ? await stores.countRecorded() : dispatched;
  // Requests answered with an error may have been recorded.
  const isRight = (count: number) => (errors === 0 ? count === created : count >= created);
  if (isRight(dispatched) && isRight(recorded)) return;
  throw new Error(
    `${target.name}: ${created} created and ${errors} errors, but ${dispatched} in Redis and ${recorded} in the ledger`,
  );
}
