import { cancelJobs } from "@toril/contract/engine/jobs/change/cancel";
import { cancelThenJobs } from "@toril/contract/engine/jobs/graph/then-job";
import type { DispatchGenerations } from "@toril/contract/engine/jobs/change/dispatch-generations";
import type { RemoveFromRedis } from "@toril/contract/engine/jobs/change/remove-from-redis";
import type { JobError } from "@toril/contract/api/jobs/job";
import type { Logger } from "pino";
import { repeatUntilAborted } from "../repeat.ts";
import type { Settler } from "@toril/contract/engine/jobs/attempt/settle";
import {
  deleteGraphEvents,
  findReadyParents,
  type GraphEvent,
  readGraphEvents,
  readPendingChildren,
  readWaitingParents,
  releaseParents,
  removeDependencies,
  type WaitingParents,
} from "./graph-ledger.ts";
import type { Leadership } from "./leadership.ts";

export interface GraphsDeps {
  settler: Pick<Settler, "settle">;
  dispatchGenerations: DispatchGenerations;
  removeFromRedis: RemoveFromRedis;
  everyMs?: number;
  /** Reports the jobs that wait after they were checked. */
  onWaiting?(waiting: WaitingParents): void;
  log: Pick<Logger, "warn">;
}

/** How often all waiting parents are checked, although no event says that a child has ended. */
const sweepEveryMs = 30_000;
const pageSize = 500;

const parentEnded: JobError = {
  name: "Cancelled",
  message: "The parent of the job was cancelled or expired.",
};

/**
 * Creates the task that dispatches jobs when their children have ended and applies the failure policies, while this
 * process is the leader. Failures are handled before their events are deleted: handling one twice changes nothing.
 */
export function createGraphs(deps: GraphsDeps) {
  const { settler, dispatchGenerations, removeFromRedis, everyMs = 200, onWaiting, log } = deps;

  return async (leadership: Leadership): Promise<void> => {
    const { signal } = leadership;
    let sweptAt = Number.NEGATIVE_INFINITY;

    async function failParents(
      failing: ReadonlyMap<string, { generation: number; child: string }>,
    ) {
      await Promise.all(
        [...failing].map(([id, { generation, child }]) => {
          const error: JobError = {
            name: "ChildFailed",
            message: `The child ${child} did not complete.`,
          };
          return settler.settle({
            id,
            generation,
            status: "dead",
            attempts: 0,
            result: null,
            error: JSON.stringify(error),
          });
        }),
      );
    }

    async function cancelChildren(parents: readonly string[]) {
      for (let isFull = parents.length > 0; isFull && !signal.aborted;) {
        const children = await leadership.run((sql) => readPendingChildren(sql, parents, pageSize));
        const cancelled = await leadership.run((sql) => cancelJobs(sql, children, parentEnded));
        await removeFromRedis(cancelled);
        isFull = children.length === pageSize;
      }
    }

    /** Cancels jobs whose import failed or was cancelled. They are not in Redis. */
    async function cancelAborted(ids?: readonly string[]) {
      await leadership.run((sql) => sql.begin((tx) => cancelThenJobs(tx, ids)));
    }

    async function release(ids: readonly string[], continued: ReadonlyMap<string, number>) {
      if (ids.length === 0) return;
      const released = await leadership.run((sql) => releaseParents(sql, ids, continued));
      // A job that cannot be dispatched now is dispatched by the reconciler.
      await dispatchGenerations(released.map((job) => ({ ...job, previousStatus: "completed" })));
    }

    async function handle(events: readonly GraphEvent[]) {
      const waiting = new Map(
        events.flatMap(({ parentId, parentGeneration, isParentWaiting }) =>
          isParentWaiting === true && parentGeneration !== null
            ? [[parentId, parentGeneration]]
            : [],
        ),
      );
      const failing = new Map<string, { generation: number; child: string }>();
      const continued = new Map<string, number>();
      const removed: string[] = [];
      for (const { parentId, childId, failure } of events) {
        const generation = waiting.get(parentId);
        if (childId === null || generation === undefined) continue;
        if (failure === "failParentOnFailure")
          failing.set(parentId, { generation, child: childId });
        if (failure === "continueParentOnFailure") continued.set(parentId, generation);
        if (failure === "removeDependencyOnFailure") removed.push(childId);
      }
      if (removed.length > 0) await leadership.run((sql) => removeDependencies(sql, removed));
      await failParents(failing);
      const abandoned = events.flatMap(({ parentId, childId, hasParentGivenUp }) =>
        childId === null && hasParentGivenUp === true ? parentId : [],
      );
      await cancelChildren([...new Set(abandoned)]);
      const changed = events.flatMap(({ parentId, childId, isParentWaiting }) =>
        childId === null && isParentWaiting === true ? parentId : [],
      );
      if (changed.length > 0) await cancelAborted(changed);
      const seqs = events.map(({ seq }) => seq);
      await leadership.run((sql) => deleteGraphEvents(sql, seqs));
      // If this process dies before, the sweep of the next leader releases them.
      await release(
        [...waiting.keys()].filter((id) => !failing.has(id)),
        continued,
      );
    }

    async function handleEvents() {
      for (let isFull = true; isFull && !signal.aborted;) {
        const events = await leadership.run((sql) => readGraphEvents(sql, pageSize));
        isFull = events.length === pageSize;
        if (events.length === 0) return;
        await handle(events);
      }
    }

    async function sweep() {
      if (performance.now() - sweptAt < sweepEveryMs) return;
      await cancelAborted();
      for (let isFull = true; isFull && !signal.aborted;) {
        const ids = await leadership.run((sql) => findReadyParents(sql, pageSize));
        await release(ids, new Map());
        isFull = ids.length === pageSize;
      }
      const waiting = await leadership.run(readWaitingParents);
      if (waiting !== undefined && !signal.aborted) onWaiting?.(waiting);
      sweptAt = performance.now();
    }

    const failureMessage = "failed to update jobs that wait for their children";
    await repeatUntilAborted({ signal, everyMs, log, failureMessage }, async () => {
      await handleEvents();
      await sweep();
    });
  };
}
