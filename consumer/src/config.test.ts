import { describe, expect, test } from "bun:test";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { loadConfig } from "./config.ts";

const stores = { REDIS_URL: "redis://127.0.0.1", DATABASE_URL: "postgres://127.0.0.1/toril" };
const _load = (env: Record<string, string> = {}) =>
  loadConfig(shippedRegistry, { ...stores, ...env }, () => "");

describe("the consumer's configuration", () => {
  test.each([
    [{ BULL_QUEUE_NAME: "imports,missing" }, "BULL_QUEUE_NAME"],
    [{ BULL_QUEUE_NAME: "," }, "BULL_QUEUE_NAME"],
    [{ WORKER_CONCURRENCY: "0" }, "WORKER_CONCURRENCY"],
    [{ WORKER_LOCK_DURATION_MS: "10" }, "WORKER_LOCK_DURATION_MS"],
    [{ WORKER_RATE_LIMIT_MAX: "5" }, "WORKER_RATE_LIMIT_DURATION_MS"],
    [{ WORKER_RATE_LIMIT_DURATION_MS: "5" }, "WORKER_RATE_LIMIT_MAX"],
    [{ WORKER_KEY_RATE_LIMITS: "echo=5/1000" }, "WORKER_KEY_RATE_LIMITS"],
    [{ WORKER_KEY_RATE_LIMITS: "feed.fetch=0/1000" }, "WORKER_KEY_RATE_LIMITS"],
    [{ WORKER_KEY_RATE_LIMITS: "feed.fetch=5" }, "WORKER_KEY_RATE_LIMITS"],
    [{ LOG_LEVEL: "loud" }, "LOG_LEVEL"],
    [{ RETAIN_DEAD: "a year" }, "RETAIN_DEAD"],
    [{ RETAIN_COMPLETED: "0d" }, "RETAIN_COMPLETED"],
    [{ FEED_ALLOW_PRIVATE_ADDRESSES: "perhaps" }, "FEED_ALLOW_PRIVATE_ADDRESSES"],
  ])("refuses %j and names the variable", (env: Record<string, string>, message) => {
    expect(() => _load(env)).toThrow(message);
  });

  test("names every missing variable", () => {
    expect(() => loadConfig(shippedRegistry, {}, () => "")).toThrow(
      "REDIS_URL is missing; DATABASE_URL is missing",
    );
  });

  test("refuses a schedule file that cannot be read, and an invalid one with line and field", () => {
    const read = (readFile: () => string) =>
      loadConfig(shippedRegistry, { ...stores, SCHEDULES_FILE: "s.yaml" }, readFile);

    const missing = () => {
      throw new Error("no such file");
    };
    expect(() => read(missing)).toThrow(/^SCHEDULES_FILE .*no such file/);
    expect(() => read(() => "a:\n  everyMs: 5\n")).toThrow("line 2: /a/everyMs");
  });

  test("requires only the two stores", () => {
    expect(_load()).toEqual({
      redis: { kind: "single", url: stores.REDIS_URL, options: {} },
      databaseUrl: stores.DATABASE_URL,
      prefix: "bull",
      worker: {
        queues: [...shippedRegistry.queues],
        concurrency: 100,
        limiter: undefined,
        keyRates: new Map(),
        lockDurationMs: 10_000,
        stalledIntervalMs: 5000,
        maxStalledCount: 10,
      },
      batch: { maxEntries: 100, flushMs: 5 },
      sandboxThreads: undefined,
      reconcile: { intervalMs: 30_000, graceMs: 5000 },
      retain: {
        ages: {
          completed: 604_800_000,
          dead: 7_776_000_000,
          cancelled: 2_592_000_000,
          expired: 2_592_000_000,
          imports: null,
          idempotencyKeys: 86_400_000,
          dedupWindows: 0,
          operations: 2_592_000_000,
          webhookDeliveries: 14 * 24 * 3_600_000,
        },
        intervalMs: 30_000,
      },
      trace: undefined,
      log: { level: "info", shipTo: undefined, shipBufferBytes: 8_000_000 },
      schedules: undefined,
      secretKeys: undefined,
      metricsPort: 0,
      host: "127.0.0.1",
      drainMs: 25_000,
      isPrivateAddressAllowed: false,
      isPrivateFeedAllowed: false,
      webhooks: {
        timeoutMs: 15_000,
        concurrency: 10,
        retryBaseMs: 5000,
        retryForMs: 259_200_000,
        disableAfterMs: 432_000_000,
      },
    });
  });

  test("parses a list of queues and a rate limit", () => {
    const { worker } = _load({
      BULL_QUEUE_NAME: "imports, feeds,imports",
      WORKER_RATE_LIMIT_MAX: "100",
      WORKER_RATE_LIMIT_DURATION_MS: "1000",
    });

    expect(worker.queues).toEqual(["imports", "feeds"]);
    expect(worker.limiter).toEqual({ max: 100, duration: 1000 });
  });

  test("parses rate limits per key", () => {
    const parseRate = (text: string) =>
      _load({ WORKER_KEY_RATE_LIMITS: text }).worker.keyRates.get("feed.fetch");

    expect(parseRate("feed.fetch=5/1000")).toEqual({ max: 5, durationMs: 1000 });
    expect(parseRate("feed.fetch=off")).toBeNull();
  });
});
