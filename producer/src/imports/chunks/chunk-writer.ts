import { BatchRefused } from "@toril/contract/engine/batcher";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import type { ISql } from "postgres";
import { ProblemError } from "../../http/problem.ts";
import type { BlockingReservation } from "../../quotas/quota-reservation.ts";
import { countWithoutRecording } from "./dry-run.ts";
import {
  addChunk,
  type Chunk,
  countRecorded,
  type ImportProgress,
  withoutRefused,
} from "./import-chunk.ts";
import { retryRefused } from "../import-errors.ts";

/** Records the chunks of one import in order, each together with the progress of the import. */
export interface ChunkWriter {
  /**
   * Records a chunk once the previous chunk is recorded, and dispatches it; resolves when the work on the chunk has
   * begun. Rejects if an earlier chunk failed.
   */
  write(chunk: Chunk): Promise<void>;
  /** Resolves when all chunks are recorded; rejects if one of them failed. */
  recorded(): Promise<void>;
  /** Resolves when all recorded chunks are dispatched, or known to be undispatched. */
  dispatched(): Promise<void>;
  readonly progress: ImportProgress;
  /** Whether a chunk of this request is recorded. */
  readonly isSaved: boolean;
  /** Whether all dispatches that have ended succeeded. */
  readonly isDispatched: boolean;
}

export interface ChunkWriterDeps {
  enqueue: Pick<Enqueue, "record">;
  /** Runs first in each transaction; throws if another request has taken over. */
  saveCheckpoint(tx: ISql): Promise<void>;
  /** Records no jobs, but counts them. */
  isDryRun: boolean;
  /**
   * Saves the progress, and the rejected rows of the chunk. Returns false, or throws a problem, if the import or the
   * part is no longer receiving.
   */
  save(tx: ISql, progress: ImportProgress, chunk: Chunk): Promise<boolean>;
  quota: BlockingReservation | undefined;
}

/** Creates a writer with two chunks in flight: one is dispatched while the next one is committed. */
export function createChunkWriter(from: ImportProgress, deps: ChunkWriterDeps): ChunkWriter {
  const { enqueue, saveCheckpoint, save, quota, isDryRun } = deps;
  let progress = from;
  let isSaved = false;
  let isDispatched = true;
  let recording = Promise.resolve();
  /** Dispatches of the last two recorded chunks. */
  let [previous, dispatching] = [Promise.resolve(), Promise.resolve()];

  async function record(chunk: Chunk): Promise<void> {
    let next = progress;
    const outcome = await retryRefused(async () => {
      const recorded = await enqueue.record({
        jobs: isDryRun ? [] : chunk.jobs,
        alongside: async (sql, accepted) => {
          await saveCheckpoint(sql);
          const counts = isDryRun
            ? await countWithoutRecording(sql, chunk.jobs)
            : countRecorded(accepted);
          next = addChunk(progress, chunk, counts);
          // Rows that are not counted must not be recorded.
          if (!(await save(sql, next, chunk)))
            throw new ProblemError("import-ended", "Another request has ended the import.");
        },
      });
      if (recorded.status === "in-use" || recorded.status === "busy")
        throw new BatchRefused("full");
      return recorded;
    });
    if (outcome.status === "unstorable") return record(withoutRefused(chunk, outcome.jobs));
    if (outcome.status !== "accepted") throw new Error(`a chunk was ${outcome.status}`);
    progress = next;
    isSaved = true;
    previous = dispatching;
    dispatching = outcome.dispatched.then((succeeded) => {
      isDispatched &&= succeeded;
    });
  }

  return {
    async write(chunk) {
      await recording;
      if (chunk.read === 0) return;
      const work = () => record(chunk);
      recording = previous.then(() =>
        quota === undefined || isDryRun ? work() : quota.withReserved(chunk.jobs.length, work),
      );
      // The next call reports the error.
      recording.catch(() => {});
    },
    recorded: () => recording,
    async dispatched() {
      await previous;
      await dispatching;
    },
    get progress() {
      return progress;
    },
    get isSaved() {
      return isSaved;
    },
    get isDispatched() {
      return isDispatched;
    },
  };
}
