import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { createBacklog } from "./backlog.ts";
import { createCallers } from "./callers/callers.ts";
import { type InjectedFault, injectFaults } from "./faults/inject-faults.ts";
import { createHistory, type History, type Violation } from "./history.ts";
import { runLoad } from "./load.ts";
import { startProbe } from "./probe.ts";
import { createRandom } from "./random.ts";
import { deleteSchedules, putSchedules, schedules } from "./schedules.ts";
import { createSend } from "./send.ts";
import { type ChaosSettings, recoveryMs } from "./settings.ts";
import { type ChaosStack, startChaosStack } from "./stack.ts";
import type { TopologyName } from "./topology.ts";
import {
  findStuck,
  findInvalidTransitions,
  type Verification,
  verify,
  recordInvalidTransitions,
  waitUntilDrained,
} from "./verify.ts";

export interface ChaosResult {
  topology: TopologyName;
  seed: number;
  durationMs: number;
  faults: readonly InjectedFault[];
  notInjected: readonly { kind: string; reason: string }[];
  acknowledged: number;
  counts: ReadonlyMap<string, number>;
  verification: Verification;
  violations: readonly Violation[];
  /** Directory of logs and evidence after a violation. */
  dump?: string;
}

/** Shorter after a violation. */
const violatedDrainMs = 10_000;

/** For jobs that are due. */
const stuckSeconds = 180;

/** Breaks a stack under load, following a plan that `seed` determines, and compares what it acknowledged with what it did. */
export async function runChaos(settings: ChaosSettings): Promise<ChaosResult> {
  const { root, topology, seed, env = {}, postgresTemplate, programs, print = () => {} } = settings;
  const dir = mkdtempSync(join(tmpdir(), "toril-chaos-"));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const history = createHistory();
  const stack = opened.use(
    await startChaosStack({ root, dir, topology, env, postgresTemplate, programs }),
  );
  const { sql } = stack;
  await recordInvalidTransitions(sql);
  print(`${topology}: seed ${seed}, ${stack.processes.size} processes, ${stack.url}`);

  const stopping = new AbortController();
  const over = AbortSignal.any([
    stopping.signal,
    history.violated,
    ...(settings.signal ? [settings.signal] : []),
  ]);
  const abandon = new AbortController();
  const send = createSend(stack.url);
  const probe = startProbe(send, history, over);
  await putSchedules(send, over);
  const backlog = createBacklog(sql, settings.backlog, over);
  const load = runLoad(
    {
      send,
      history,
      backlog,
      random: createRandom(seed + 1),
      bulkSize: settings.bulkSize,
      importRows: settings.importRows,
      clientPauseMs: settings.clientPauseMs ?? 0,
      signal: over,
      abandon: abandon.signal,
    },
    createCallers(stack.url),
  );
  const watching = checkLedger(stack, history, over);

  const startedAt = performance.now();
  const { faults, notInjected } = await injectFaults(settings, stack, {
    history,
    probe,
    backlog,
    over,
  });
  const ranMs = performance.now() - startedAt;
  stopping.abort();
  const abandonTimer = setTimeout(() => abandon.abort(), settings.abandonMs);
  await Promise.all([load, watching]);
  clearTimeout(abandonTimer);
  const isStopped = await deleteSchedules(send);
  if (!isStopped)
    history.addViolation("the schedules could not be deleted after the faults", schedules);
  print(`${topology}: ${history.acknowledged} jobs acknowledged, waiting for the last of them`);
  await waitUntilDrained(
    sql,
    history,
    history.violations.length > 0 ? violatedDrainMs : recoveryMs,
  );
  const verification = await verify(sql, history);
  const result: ChaosResult = {
    topology,
    seed,
    durationMs: ranMs,
    faults,
    notInjected,
    acknowledged: history.acknowledged,
    counts: history.counts,
    verification,
    violations: history.violations,
  };
  return isPassed(result) ? result : { ...result, dump: dumpEvidence(root, dir, result) };
}

export function isPassed({ verification, violations }: ChaosResult): boolean {
  return violations.length + verification.lost + verification.duplicated + verification.stuck === 0;
}

async function checkLedger({ sql }: ChaosStack, history: History, over: AbortSignal) {
  while (!over.aborted) {
    try {
      const wrong = await findInvalidTransitions(sql);
      if (wrong.length > 0)
        history.addViolation("duplicated: an invalid transition of a job", wrong);
      const stuck = await findStuck(sql, stuckSeconds);
      if (stuck.length > 0) history.addViolation("stuck: due jobs are not processed", stuck);
    } catch {
      // Postgres is unavailable.
    }
    await sleep(1000, undefined, { signal: over }).catch(() => {});
  }
}

/** @returns the folder */
function dumpEvidence(root: string, dir: string, result: ChaosResult): string {
  const { topology, seed, verification, violations, faults } = result;
  const dump = join(root, ".toril", "chaos", `${topology}-${seed}-${Date.now()}`);
  mkdirSync(dump, { recursive: true });
  if (existsSync(join(dir, "logs")))
    cpSync(join(dir, "logs"), join(dump, "logs"), { recursive: true });
  const evidence = JSON.stringify({ violations, verification, faults }, undefined, 2);
  writeFileSync(join(dump, "evidence.json"), evidence);
  return dump;
}
