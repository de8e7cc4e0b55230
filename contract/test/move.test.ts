import { afterAll, afterEach, expect, setSystemTime, test } from "bun:test";
import type { Job, Queue } from "bullmq";
import type { DispatchOptions } from "../src/engine/redis/scripts/options.ts";
import { createMove, type Movement, moveScriptUrl } from "../src/engine/redis/scripts/move.ts";
import { _connect, _createSite, _dispatchEntry } from "./_dispatch.ts";

const time = 1_700_000_000_000;
const minute = 60_000;
const redis = _connect();
const theirs = _createSite(redis);
const ours = _createSite(redis);
const script = await Bun.file(moveScriptUrl).text();
const move = createMove(redis, { prefix: ours.prefix, script });

afterEach(async () => {
  setSystemTime();
  await Promise.all([theirs.clear(), ours.clear()]);
});
afterAll(() => redis.quit());

const kinds: Record<string, Partial<DispatchOptions>> = {
  waits: {},
  "waits in front": { lifo: true },
  "has a priority": { priority: 5 },
  "is delayed": { delayMs: minute },
  "is delayed, with a priority": { delayMs: minute, priority: 5 },
};

const changes: Record<
  string,
  { theirs(job: Job): Promise<unknown>; ours: Omit<Movement, "bullId"> }
> = {
  promoted: { theirs: (job) => job.promote(), ours: { due: "now" } },
  "delayed for longer": {
    theirs: (job) => job.changeDelay(2 * minute),
    ours: { due: new Date(time + 2 * minute) },
  },
  "given another priority": {
    theirs: (job) => job.changePriority({ priority: 2 }),
    ours: { priority: 2 },
  },
  "given no priority": {
    theirs: (job) => job.changePriority({ priority: 0, lifo: job.opts.lifo === true }),
    ours: { priority: null },
  },
};

const queueStates: Record<string, (queue: Queue) => Promise<unknown>> = {
  runs: async () => {},
  "is paused": (queue) => queue.pause(),
  "has as many active jobs as it may": async (queue) => {
    await queue.setGlobalConcurrency(1);
    await redis.lpush(queue.keys["active"]!, "other");
  },
};

/** Applies a change through BullMQ and through Toril to a job between two others of the same kind. */
async function runBoth(
  kind: string,
  change: string,
  prepare: (queue: Queue) => Promise<unknown> = async () => {},
) {
  setSystemTime(time);
  const jobs = [1, 2, 3].map((n) =>
    _dispatchEntry({ n, options: { attempts: 3, timestamp: time, ...kinds[kind] } }),
  );
  const queues = [theirs.openQueue("q"), ours.openQueue("q")] as const;
  for (const [at, site] of [theirs, ours].entries()) {
    await prepare(queues[at]!);
    await site.dispatch("q", jobs);
  }
  const { bullId } = jobs[1]!;
  const job: Job | undefined = await queues[0].getJob(bullId);
  const isMoved = await changes[change]!.theirs(job!).then(
    () => true,
    () => false,
  );
  await move("q", [{ bullId, ...changes[change]!.ours }]);
  const snapshots = await Promise.all([theirs.snapshot(), ours.snapshot()]);
  await Promise.all(queues.map((queue) => queue.close()));
  return { isMoved, snapshots };
}

/** BullMQ adds no event for a changed priority; Toril adds "waiting", so that event readers refresh the job. */
function withoutEvents(snapshot: Awaited<ReturnType<typeof ours.snapshot>>) {
  return { ...snapshot, ":{q}:events": undefined };
}

for (const [state, prepare] of Object.entries(queueStates)) {
  test.each([
    ["is delayed", "promoted"],
    ["is delayed, with a priority", "promoted"],
    ["is delayed", "delayed for longer"],
    ["is delayed, with a priority", "delayed for longer"],
  ])(`a job that %s is %s as BullMQ does it, while its queue ${state}`, async (kind, change) => {
    const { isMoved, snapshots } = await runBoth(kind, change, prepare);
    expect(isMoved).toBe(true);
    expect(snapshots[1]).toEqual(snapshots[0]);
  });

  test.each(
    ["waits", "waits in front", "has a priority", "is delayed"].flatMap((kind) =>
      ["given another priority", "given no priority"].map((change) => [kind, change] as const),
    ),
  )(`a job that %s is %s as BullMQ does it, while its queue ${state}`, async (kind, change) => {
    const { snapshots } = await runBoth(kind, change, prepare);
    const [byThem, byUs] = snapshots;
    expect(withoutEvents(byUs)).toEqual(withoutEvents(byThem));
  });
}

test.each(["waits", "waits in front", "has a priority"])(
  "a job that %s, which BullMQ does not delay, stands as one that was delayed from the beginning",
  async (kind) => {
    const { isMoved, snapshots } = await runBoth(kind, "delayed for longer");
    expect(isMoved).toBe(false);
    await ours.clear();
    setSystemTime(time);
    const options = { attempts: 3, timestamp: time, ...kinds[kind] };
    const jobs = [1, 3].map((n) => _dispatchEntry({ n, options }));
    const delayed = _dispatchEntry({ n: 2, options: { ...options, delayMs: 2 * minute } });
    await ours.dispatch("q", [...jobs, delayed]);
    const dispatched = await ours.snapshot();
    expect(snapshots[1][":{q}:delayed"]).toEqual(dispatched[":{q}:delayed"]);
    expect(snapshots[1][":{q}:wait"]).toEqual(dispatched[":{q}:wait"]);
    expect(snapshots[1][":{q}:prioritized"]?.type).toBe(dispatched[":{q}:prioritized"]?.type);
  },
);
