import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../dev/until.ts";
import { createHistory, type History, type Violation } from "./history.ts";
import { type Backlog, createBacklog } from "./backlog.ts";
import { createCallers } from "./callers.ts";
import { createSend, type Send } from "./send.ts";
import { type Fault, faultKinds, type FaultKind, unsupportedFaults } from "./faults.ts";
import { runLoad } from "./load.ts";
import { type Probe, startProbe } from "./probe.ts";
import { createRandom } from "./random.ts";
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

export interface ChaosSettings {
  root: string;
  topology: TopologyName;
  seed: number;
  /** How long faults are injected under load; draining and verifying come on top. */
  durationMs: number;
  /** Faults are injected beyond `durationMs` until this many jobs are acknowledged. */
  minAcknowledged?: number;
  /** Pause between the recovery from a fault and the next fault. */
  pauseMs: number;
  /** Minimum and maximum time for which a process is frozen or a store refuses writes. */
  holdMs: readonly [number, number];
  /** Approximate number of pending jobs. */
  backlog: number;
  bulkSize: number;
  importRows: number;
  /** Further variables of producers and consumers. */
  env?: Readonly<Record<string, string>>;
  /** How long requests whose outcome is unknown are repeated after the load. */
  abandonMs: number;
  /** Only these kinds, in this order, each once, and no longer than they take; by default every kind again and again in random order. */
  kinds?: readonly string[];
  print?(text: string): void;
  signal?: AbortSignal;
}

export interface InjectedFault {
  kind: string;
  target: string;
  heldMs: number;
  /** The longest time without an accepted POST. */
  unavailableMs: number;
  /** From the end of the fault until a new job on each queue was accepted and settled. */
  recoveryMs: number;
}

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

/** Longer than a lock, a stalled check and a pass of the reconciler together, on a machine that is busy. */
const recoveryMs = 90_000;
/** Shorter after a violation. */
const violatedDrainMs = 10_000;
/** For jobs that are due. */
const stuckSeconds = 180;
const schedules = ["chaos-1", "chaos-2", "chaos-3"];

/** Breaks a stack under load, following a plan that `seed` determines, and compares what it acknowledged with what it did. */
export async function runChaos(settings: ChaosSettings): Promise<ChaosResult> {
  const { root, topology, seed, env = {}, print = () => {} } = settings;
  const dir = mkdtempSync(join(tmpdir(), "toril-chaos-"));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const history = createHistory();
  const stack = opened.use(await startChaosStack({ root, dir, topology, env }));
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

interface Injection {
  history: History;
  probe: Probe;
  backlog: Backlog;
  over: AbortSignal;
}

async function injectFaults(settings: ChaosSettings, stack: ChaosStack, injection: Injection) {
  const { durationMs, minAcknowledged = 0, pauseMs, holdMs, seed, kinds } = settings;
  const { print = () => {} } = settings;
  const { history, backlog, over } = injection;
  const random = createRandom(seed);
  const faults: InjectedFault[] = [];
  const reasons = new Map(unsupportedFaults.map(({ kind, reason }) => [kind, reason]));
  const startedAt = performance.now();
  const isTimeLeft = () =>
    !over.aborted &&
    (performance.now() - startedAt < durationMs || history.acknowledged < minAcknowledged);

  async function inject(kind: FaultKind) {
    await sleep(pauseMs, undefined, { signal: over }).catch(() => {});
    if (!isTimeLeft()) return;
    const fault = await kind.prepare({ stack, random, holdMs: holdMs });
    if (typeof fault === "string") {
      reasons.set(kind.kind, fault);
      return;
    }
    const injected = await injectOne(kind.kind, fault, stack, injection);
    if (injected === undefined) return;
    faults.push(injected);
    const { unavailableMs, recoveryMs } = injected;
    print(
      `  ${formatSeconds(performance.now() - startedAt).padStart(7)}  ${kind.kind} (${injected.target}): ` +
        `unavailable ${formatSeconds(unavailableMs)}, recovered after ${formatSeconds(recoveryMs)}; ` +
        `${history.acknowledged} acknowledged, ${backlog.pending} pending`,
    );
  }

  if (kinds === undefined) {
    while (isTimeLeft()) {
      for (const kind of random.shuffle(faultKinds)) if (isTimeLeft()) await inject(kind);
    }
  }
  for (const name of kinds ?? []) {
    const kind = faultKinds.find((one) => one.kind === name);
    if (kind === undefined) throw new Error(`there is no fault "${name}"`);
    await inject(kind);
  }
  return {
    faults,
    notInjected: Array.from(reasons, ([kind, reason]) => ({ kind, reason })),
  };
}

async function injectOne(
  kind: string,
  fault: Fault,
  stack: ChaosStack,
  { history, probe, over }: Injection,
): Promise<InjectedFault | undefined> {
  const startedAt = performance.now();
  const repairsBefore = countAofRepairs(stack);
  const ending = AbortSignal.any([over, AbortSignal.timeout(recoveryMs + fault.holdMs)]);
  try {
    await fault.inject();
    await sleep(fault.holdMs, undefined, { signal: over }).catch(() => {});
    const healedAt = performance.now();
    const healing = fault.end();
    await probe.waitForRecovery(ending);
    const recoveryMs = performance.now() - healedAt;
    await healing;
    const unavailableMs = probe.longestGap(startedAt);
    const whole = { timeoutMs: 60_000, signal: over };
    await until("Redis is healthy again", () => stack.topology.isHealthy(), whole);
    for (const [name, one] of stack.processes) {
      if (one.isDown) history.addViolation(`${name} ended unexpectedly`, { kind });
    }
    const isRepaired = countAofRepairs(stack) > repairsBefore;
    const target = isRepaired ? `${fault.target}, whose AOF was repaired` : fault.target;
    return { kind, target, heldMs: healedAt - startedAt, unavailableMs, recoveryMs };
  } catch (error) {
    if (!over.aborted)
      history.addViolation(`stuck: no recovery from ${kind} (${fault.target})`, String(error));
    return undefined;
  }
}

function countAofRepairs({ topology }: ChaosStack): number {
  return topology.servers.reduce((sum, { server }) => sum + server.aofRepairs, 0);
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

async function putSchedules(send: Send, signal: AbortSignal) {
  for (const name of schedules) {
    const job = { type: "echo", data: { message: name } };
    const json = { everyMs: 1000, overlap: "queue", job };
    await until(
      `the schedule ${name} is stored`,
      async () =>
        (await send(`/v1/schedules/${name}`, { method: "PUT", json }))?.status === 201 || undefined,
      { timeoutMs: 30_000, signal },
    );
  }
}

async function deleteSchedules(send: Send): Promise<boolean> {
  const areGone = schedules.map((name) =>
    until(
      `the schedule ${name} is deleted`,
      async () => {
        const status = (await send(`/v1/schedules/${name}`, { method: "DELETE" }))?.status;
        return status === 200 || status === 404 || undefined;
      },
      { timeoutMs: recoveryMs },
    ),
  );
  return (await Promise.allSettled(areGone)).every(({ status }) => status === "fulfilled");
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

export function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
