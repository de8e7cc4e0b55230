import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../../dev/until.ts";
import type { Backlog } from "../backlog.ts";
import type { History } from "../history.ts";
import type { Probe } from "../probe.ts";
import { createRandom } from "../random.ts";
import { type ChaosSettings, recoveryMs } from "../settings.ts";
import type { ChaosStack } from "../stack.ts";
import type { Fault, FaultKind } from "./fault.ts";
import { faultKinds, unsupportedFaults } from "./fault-kinds.ts";

export interface InjectedFault {
  kind: string;
  target: string;
  heldMs: number;
  /** The longest time without an accepted POST. */
  unavailableMs: number;
  /** From the end of the fault until a new job on each queue was accepted and settled. */
  recoveryMs: number;
}

interface Injection {
  history: History;
  probe: Probe;
  backlog: Backlog;
  over: AbortSignal;
}

export async function injectFaults(
  settings: ChaosSettings,
  stack: ChaosStack,
  injection: Injection,
) {
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
  return topology.servers.reduce((sum, { server }) => sum + server.countAofRepairs(), 0);
}

export function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
