import type { Logger } from "pino";
import { type EventMapperDeps, type TenantEvent, toFinalEvent } from "./event-mapper.ts";
import { createPollLoop } from "../poll-loop.ts";

export interface OutcomeWatchDeps extends Pick<EventMapperDeps, "readOutcomes"> {
  /** Returns the jobs with subscriptions of their own. */
  getFollowed(): string[];
  everyMs: number;
  /** @param wasUnsettled whether the job left Redis before its outcome was recorded */
  onOutcome(tenantEvent: TenantEvent, wasUnsettled: boolean): void;
  log: Pick<Logger, "warn">;
}

/** A job that is still pending this long after it left Redis was not settled: it is no longer polled. */
const maxUnsettledMs = 30_000;
const maxUnsettled = 10_000;
const maxIdsPerRead = 1000;

/** Polls Postgres for the end of followed jobs, and of jobs that left Redis before their outcome was recorded. */
export function createOutcomeWatch(deps: OutcomeWatchDeps) {
  const { readOutcomes, getFollowed, everyMs, onOutcome, log } = deps;
  /** When to stop polling, by id. */
  const unsettled = new Map<string, number>();
  const loop = createPollLoop(poll, {
    everyMs,
    isNeeded: () => unsettled.size > 0 || getFollowed().length > 0,
    log,
  });

  async function poll() {
    const ids = [...new Set([...getFollowed(), ...unsettled.keys()])];
    for (let from = 0; from < ids.length; from += maxIdsPerRead) {
      for (const outcome of await readOutcomes(ids.slice(from, from + maxIdsPerRead))) {
        if (outcome.status === "pending") continue;
        const event = toFinalEvent(outcome, new Date().toISOString());
        onOutcome({ tenant: outcome.tenant, event }, unsettled.delete(outcome.id));
      }
    }
    const now = performance.now();
    for (const [id, until] of unsettled) if (until < now) unsettled.delete(id);
  }

  return {
    ...loop,
    followUnsettled(id: string) {
      if (unsettled.size >= maxUnsettled) return;
      unsettled.set(id, performance.now() + maxUnsettledMs);
      loop.pollSoon();
    },
  };
}
