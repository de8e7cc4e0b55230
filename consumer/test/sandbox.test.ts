import { afterAll, beforeAll, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { _openWorld, _until, type _World } from "./_world.ts";

const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
const script = fileURLToPath(new URL("_node-consumer.ts", import.meta.url));
/** A quarter of the CPU time of this file. */
const cache = fileURLToPath(new URL("../../node_modules/.cache/node", import.meta.url));
const importId = "019c2f1e-7b1a-7c3d-8a4e-5f6071829304";

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

/** On Node, as in production: Bun's threads have no memory limit. */
async function _startRogue() {
  const child = Bun.spawn([node, script], {
    env: {
      REDIS_URL: world.redisUrl,
      DATABASE_URL: world.databaseUrl,
      BULL_PREFIX: world.prefix,
      WORKER_LOCK_DURATION_MS: "3000",
      WORKER_STALLED_INTERVAL_MS: "500",
      RECONCILE_GRACE_MS: "3600000",
      NODE_COMPILE_CACHE: cache,
    },
    stdout: "pipe",
    stderr: "inherit",
  });
  const out = new Response(child.stdout).text();
  return {
    child,
    async stop() {
      child.kill("SIGINT");
      child.kill("SIGTERM");
      await child.exited;
      return (await out)
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { msg: string });
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

const _run = (behavior: string, options: { timeoutMs?: number } = {}) =>
  world.accept({
    type: "import.stats",
    data: { importId, columns: [behavior] },
    attempts: 1,
    ...options,
  });

/** Waits for the pid of the process that hosts the thread. */
const _getPid = (id: string) =>
  _until(async () => {
    const { progress } = await world.getHash(id, "imports");
    return progress === undefined ? undefined : (JSON.parse(progress) as { pid: number }).pid;
  });

const _isGone = (pid: number) =>
  _until(() => {
    try {
      return !process.kill(pid, 0);
    } catch {
      return true;
    }
  });

test("a misbehaving sandboxed handler ends only its own attempt; others log, can throw RetryAfterError, and have no environment", async () => {
  await using rogue = await _startRogue();
  const behaviors = [
    ["objects", "OutOfMemory", /more than 64 MB/],
    ["json", "OutOfMemory", /more than 64 MB/],
    ["exit", "ThreadExited", /exited with 3/],
    ["throw", "TypeError", /^thrown$/],
    ["later", "TypeError", /^thrown later$/],
    ["non-retryable", "NonRetryableError", /^cannot succeed$/],
    ["unclonable", "DataCloneError", /could not be cloned/],
  ] as const;
  const jobs = await Promise.all(behaviors.map(([behavior]) => _run(behavior)));
  const well = await _run("well");

  for (const [index, [, name, message]] of behaviors.entries()) {
    const end = await world.waitForEnd(jobs[index]!.id);
    expect(end).toMatchObject({ status: "dead", attempts: 1, error: { name } });
    expect(end["error"].message).toMatch(message);
    const { id } = await world.accept({ type: "echo", data: { message: "hello" } });
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
  }
  expect(await world.waitForEnd(well.id)).toMatchObject({ status: "completed" });
  const again = await _run("again");
  expect(await world.waitForEnd(again.id)).toMatchObject({ status: "completed", attempts: 1 });
  const environment = await _run("environment");
  expect(await world.waitForEnd(environment.id)).toMatchObject({ result: { rows: 0 } });
  const blocking = await _run("block", { timeoutMs: 7000 });
  expect(await world.waitForEnd(blocking.id)).toMatchObject({
    status: "dead",
    error: { name: "TimedOut", message: "The attempt took longer than 7000 ms." },
  });
  const lines = await rogue.stop();
  // The last attempt outlasts two lock durations, so the lock was renewed.
  expect(lines.map(({ msg }) => msg)).not.toContain("job stalled");
  expect(lines).toContainEqual(
    expect.objectContaining({ msg: "from the thread", jobId: again.id, attempt: 1 }),
  );
});

test("while sandboxed handlers run, other jobs complete; when the consumer stops, they are aborted and their jobs requeued", async () => {
  await using rogue = await _startRogue();
  const jobs = await Promise.all(["loop", "stops-when-aborted"].map((behavior) => _run(behavior)));
  const pids = await Promise.all(jobs.map(({ id }) => _getPid(id)));
  const { id } = await world.accept({ type: "echo", data: { message: "hello" } });
  expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });

  await rogue.stop();

  expect(rogue.child.exitCode).toBe(0);
  for (const pid of pids) await _isGone(pid);
  for (const job of jobs) expect(await world.getRow(job.id)).toMatchObject({ status: "pending" });
  const { wait } = world.keys("imports");
  const requeued = await world.redis.lrange(wait, 0, -1);
  expect(requeued.toSorted()).toEqual(jobs.map((job) => job.id).toSorted());
  await world.redis.del(wait);
});

test("no sandbox process survives a killed consumer", async () => {
  await using rogue = await _startRogue();
  const { id } = await _run("block");
  const pid = await _getPid(id);

  rogue.child.kill("SIGKILL");

  await _isGone(pid);
});
