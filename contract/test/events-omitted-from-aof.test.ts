import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { persistentArgs, startRedis } from "../../ops/dev/stores/redis.ts";
import { createTake, takeScriptUrl } from "../src/engine/redis/scripts/take.ts";
import { _createSite, _dispatchEntry } from "./_dispatch.ts";

const events = ":{q}:events";

test("a restarted Redis has the state of all jobs, and not their events", async () => {
  const dir = mkdtempSync(join(tmpdir(), "toril-events-"));
  const args = [...persistentArgs, "--appendfsync", "always"];
  const timestamp = Date.now();
  const kinds = [{}, { delayMs: 3_600_000 }, { priority: 5 }, { lifo: true }];
  const jobs = [...kinds, ...kinds].map((kind, n) =>
    _dispatchEntry({ n, options: { attempts: 3, timestamp, ...kind } }),
  );
  const script = await Bun.file(takeScriptUrl).text();
  try {
    const before = await read(async (redis, { dispatch, snapshot }) => {
      // Some of the jobs of the second call exist.
      await dispatch("q", jobs.slice(0, 4));
      await dispatch("q", jobs);
      const take = createTake(redis, {
        prefix: "test",
        queue: "q",
        script,
        workerName: "host:1",
        lockDurationMs: 3_600_000,
        limiter: undefined,
        returnValue: "1",
      });
      const { jobs: taken } = await take({ limit: 3, finished: [], token: "first" });
      expect(taken).toHaveLength(3);
      await take({ limit: 1, finished: taken.slice(0, 2), token: "second" });
      return snapshot();
    });
    const after = await read((_, { snapshot }) => snapshot());
    // 8 were added, with two events each; 4 were duplicates; 4 were taken and 2 finished.
    expect(before[events]?.content).toHaveLength(26);
    expect(after[events]).toBeUndefined();
    expect(withoutExpiry(after)).toEqual(withoutExpiry(before));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }

  type Site = ReturnType<typeof _createSite>;
  async function read<T>(use: (redis: Redis, site: Site) => Promise<T>): Promise<T> {
    await using server = await startRedis({ dir, args });
    const redis = new Redis(server.url);
    try {
      return await use(redis, _createSite(redis, "test"));
    } finally {
      redis.disconnect();
    }
  }
});

/** Locks expire while Redis restarts. */
function withoutExpiry(snapshot: Awaited<ReturnType<ReturnType<typeof _createSite>["snapshot"]>>) {
  const keys = Object.entries(snapshot).filter(([key]) => key !== events);
  return Object.fromEntries(
    keys.map(([key, { expiresInMs, ...rest }]) => [key, { ...rest, expires: expiresInMs > 0 }]),
  );
}
