import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { _openWorld, _until, type _World } from "./_world.ts";

const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
const script = fileURLToPath(new URL("_node-consumer.ts", import.meta.url));
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

test("a misbehaving sandboxed handler ends only its own attempt", async () => {
  await using rogue = await _startRogue();
  const behaviors = [
    ["objects", "OutOfMemory", /more than 64 MB/],
    ["json", "OutOfMemory", /more than 64 MB/],
    ["exit", "ThreadExited", /exited with 3/],
    ["throw", "TypeError", /^thrown$/],
    ["later", "TypeError", /^thrown later$/],
    ["give-up", "NonRetryableError", /^given up$/],
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
  const blocking = await _run("block", { timeoutMs: 10_000 });
  expect(await world.waitForEnd(blocking.id)).toMatchObject({
    status: "dead",
    error: { name: "TimedOut", message: "The attempt took longer than 10000 ms." },
  });
  const messages = (await rogue.stop()).map(({ msg }) => msg);
  // The last attempt outlasts several lock durations, so the lock was renewed.
  expect(messages).not.toContain("job stalled");
});

test("a sandboxed handler logs, can throw RetryAfterError, and has no environment", async () => {
  await using rogue = await _startRogue();
  const again = await _run("again");
  expect(await world.waitForEnd(again.id)).toMatchObject({ status: "completed", attempts: 1 });
  const { id } = await _run("environment");
  expect(await world.waitForEnd(id)).toMatchObject({ result: { rows: 0 } });

  expect(await rogue.stop()).toContainEqual(
    expect.objectContaining({ msg: "from the thread", jobId: again.id, attempt: 1 }),
  );
});

describe.each(["loop", "stops-when-aborted"])(
  "when the consumer stops, a sandboxed handler with the behavior %s",
  (behavior) => {
    test("is aborted, and its job is requeued; until then, other jobs complete", async () => {
      await using rogue = await _startRogue();
      const { id } = await _run(behavior);
      const pid = await _getPid(id);
      const other = await world.accept({ type: "echo", data: { message: "hello" } });
      expect(await world.waitForEnd(other.id)).toMatchObject({ status: "completed" });

      await rogue.stop();

      expect(rogue.child.exitCode).toBe(0);
      await _isGone(pid);
      expect(await world.getRow(id)).toMatchObject({ status: "pending" });
      expect(await world.redis.lrange(world.keys("imports").wait, 0, -1)).toEqual([id]);
      await world.redis.del(world.keys("imports").wait);
    });
  },
);

test("no sandbox process survives a killed consumer", async () => {
  await using rogue = await _startRogue();
  const { id } = await _run("loop");
  const pid = await _getPid(id);

  rogue.child.kill("SIGKILL");

  await _isGone(pid);
});
