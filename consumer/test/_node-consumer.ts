import { connect } from "node:net";
import { importStats as importStatsType } from "@toril/contract/api/job-types/import-stats";
import { createLogging } from "@toril/contract/engine/logging/logging";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { loadConfig } from "../src/config.ts";
import { openConsumer } from "../src/consumer.ts";
import { createRetryingLedger } from "../src/stores/retrying-ledger.ts";
import { openLedger } from "../src/stores/postgres.ts";
import { createReadRows } from "../src/sandbox/read-rows.ts";
import { createSandbox } from "../src/sandbox/sandbox.ts";
import { shippedPlugin } from "../src/shipped-plugin.ts";

/** The real consumer on Node, with a rogue handler of a sandboxed type. */
const config = loadConfig(shippedRegistry, process.env, () => "");
const { log } = createLogging("consumer", config.log, { stdout: process.stdout, connect });
const ledger = createRetryingLedger({
  ledger: openLedger(config.databaseUrl),
  onUnavailable() {},
  onAvailable() {},
});
const rogue = createSandbox({
  types: [
    {
      type: importStatsType.type,
      limits: { memoryMb: 64, timeoutMs: 120_000 },
      threadUrl: new URL("_rogue-thread.ts", import.meta.url),
    },
  ],
  hostUrl: new URL("../src/sandbox-host.ts", import.meta.url),
  threads: 2,
  capabilities: { readRows: createReadRows(ledger) },
});
const consumer = await openConsumer(
  config,
  { log },
  {
    ...shippedPlugin,
    createHandlers: (services) =>
      new Map([...shippedPlugin.createHandlers(services), ...rogue.handlers]),
  },
);
const deadline = new AbortController();
process.once("SIGINT", () => deadline.abort());
process.once("SIGTERM", () => {
  void consumer.close(deadline.signal).then((isClean) => process.exit(isClean ? 0 : 1));
});
process.stdout.write(`${JSON.stringify({ msg: "ready", statusPort: consumer.statusPort })}\n`);
