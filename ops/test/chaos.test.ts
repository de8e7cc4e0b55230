import { expect, test } from "bun:test";

import { runChaos } from "../chaos/run.ts";
import { findBundled, root } from "./_stack.ts";

/** Shortens the recovery from 15-30 s to 1-2 s. */
const shortIntervals = {
  WORKER_LOCK_DURATION_MS: "2000",
  WORKER_STALLED_INTERVAL_MS: "1000",
  RECONCILE_INTERVAL_MS: "500",
  RECONCILE_GRACE_MS: "500",
};

/** `bun run chaos` injects these and others, also behind Sentinels and in a Cluster. */
const kinds = [
  "producer: kill -9",
  "Redis: FLUSHALL",
  "both consumers: kill -9",
  "Postgres backend: kill -9",
  "Redis: out of memory",
  "Postgres connections: reset",
  "Redis connections: reset",
  "consumer: SIGTERM",
];

test("no acknowledged job is lost, duplicated or stuck while faults are injected under load", async () => {
  const result = await runChaos({
    root,
    topology: "single",
    seed: 14,
    // A limit: the run ends when each fault was injected.
    durationMs: 300_000,
    pauseMs: 300,
    holdMs: [500, 1500],
    backlog: 500,
    bulkSize: 50,
    importRows: 250,
    // Faults, not load, are tested here.
    clientPauseMs: 1000,
    abandonMs: 1000,
    env: shortIntervals,
    postgresTemplate: process.env["TEST_POSTGRES_TEMPLATE"],
    programs: {
      producer: findBundled("bun", "producer/main.js"),
      consumer: findBundled("node", "consumer/main.js"),
    },
    kinds,
  });
  const { verification, violations, dump } = result;
  expect({ violations, evidence: verification.evidence, dump }).toEqual({
    violations: [],
    evidence: {},
    dump: undefined,
  });
  expect(result.faults.map(({ kind }) => kind)).toEqual(kinds);
  expect(result.acknowledged).toBeGreaterThan(500);
}, 600_000);
