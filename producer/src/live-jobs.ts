import type { Job } from "@toril/contract/job";
import type { LiveState } from "@toril/contract/dispatch/live-state";
import { bullId } from "@toril/contract/dispatch/names";
import { findJobType } from "@toril/contract/jobs";
import { redactData } from "@toril/contract/secret/secret-data";
import type { JobRow } from "./read-jobs.ts";

type PlacedJob = { queue: string; bullId: string };

export interface LiveJobs {
  /** Rows of the ledger as clients see them, with what Redis knows of those that are pending. */
  describe(rows: readonly JobRow[]): Promise<Job[]>;
}

export function createLiveJobs(
  readStates: (jobs: readonly PlacedJob[]) => Promise<readonly (LiveState | undefined)[]>,
): LiveJobs {
  return {
    async describe(rows) {
      const pending = rows.filter((row) => row.status === "pending");
      const states = await readStates(
        pending.map((row) => ({ queue: row.queue, bullId: bullId(row.id, row.run) })),
      ).catch(() => undefined);
      return rows.map((row) => toJob(row, states && live(states[pending.indexOf(row)])));
    },
  };
}

interface Live {
  state: Job["state"];
  attemptsMade: number;
  progress: unknown;
}

function live(found: LiveState | undefined): Live {
  if (found === undefined) return { state: "unplaced", attemptsMade: 0, progress: null };
  const { state, attemptsMade, progress = null } = found;
  // It ended a moment ago, and its batch is on the way to the ledger.
  return { state: state === "finished" ? "active" : state, attemptsMade, progress };
}

function toJob(row: JobRow, current: Live | undefined): Job {
  const isPending = row.status === "pending";
  return {
    id: row.id,
    type: row.type,
    queue: row.queue,
    key: row.key,
    importId: row.importId,
    schedule: row.schedule,
    status: row.status,
    state: isPending ? (current?.state ?? null) : null,
    data: shownData(row),
    result: row.result,
    error: row.error,
    labels: row.labels ?? [],
    priority: row.options.priority ?? null,
    attempts: {
      made: isPending ? (current?.attemptsMade ?? 0) : row.attempts,
      max: row.options.attempts,
    },
    progress: isPending ? (current?.progress ?? null) : null,
    createdAt: row.createdAt.toISOString(),
    runAt: row.runAt?.toISOString() ?? null,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    settledAt: row.settledAt?.toISOString() ?? null,
  };
}

function shownData({ type, data }: JobRow): unknown {
  const findSecrets = findJobType(type)?.findSecrets;
  return findSecrets === undefined ? data : redactData(data, findSecrets);
}
