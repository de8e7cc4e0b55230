import { connect } from "node:net";
import { sandboxedTypes } from "@toril/contract/api/job-types/index";
import { createLogging } from "@toril/contract/engine/logging/logging";
import { loadConfig } from "../src/config.ts";
import { openConsumer } from "../src/consumer.ts";
import { createHandlers, type HandlerDeps } from "../src/handlers/index.ts";
import { importStats } from "../src/handlers/sandboxed/import-stats.ts";
import { createRetryingLedger } from "../src/stores/retrying-ledger.ts";
import { openLedger } from "../src/stores/postgres.ts";
import { createReadRows } from "../src/sandbox/read-rows.ts";
import { createSandbox } from "../src/sandbox/sandbox.ts";

/** The real consumer on Node, with handlers of sandboxed types: `rogue`, `unsandboxed` or `own`. */
const [kind] = process.argv.slice(2);
const config = loadConfig(process.env, () => "");
const { log } = createLogging("consumer", config.log, { stdout: process.stdout, connect });
const ledger = createRetryingLedger({
  ledger: openLedger(config.databaseUrl),
  onUnavailable() {},
  onAvailable() {},
});
const readRows = createReadRows(ledger);
const rogue = createSandbox({
  types: sandboxedTypes.map(({ type }) => ({ type, limits: { memoryMb: 64, timeoutMs: 10_000 } })),
  urls: {
    host: new URL("../src/sandbox-host.ts", import.meta.url),
    thread: new URL("_rogue-thread.ts", import.meta.url),
  },
  threads: 1,
  capabilities: { readRows },
});
const sandboxed: Record<string, HandlerDeps["sandboxed"]> = {
  rogue: rogue.handlers,
  unsandboxed: {
    "import.stats": (data, context) =>
      importStats(
        data,
        Object.assign(Object.create(context), {
          readRows: (importId: string, afterRow: number) =>
            readRows(context.id, importId, afterRow),
        }),
      ),
  },
};
const consumer = await openConsumer(config, { log }, (deps) =>
  createHandlers({ ...deps, sandboxed: sandboxed[kind ?? ""] ?? deps.sandboxed }),
);
const deadline = new AbortController();
process.once("SIGINT", () => deadline.abort());
process.once("SIGTERM", () => {
  void consumer.close(deadline.signal).then((isClean) => process.exit(isClean ? 0 : 1));
});
process.stdout.write(`${JSON.stringify({ msg: "ready", statusPort: consumer.statusPort })}\n`);
