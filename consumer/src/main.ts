import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { extname } from "node:path";
import { shippedJobTypes } from "@toril/contract/api/job-types/index";
import { createRegistry } from "@toril/contract/api/registry";
import { createLogging, toggleLevel } from "@toril/contract/engine/logging/logging";
import { waitForAbort } from "./wait.ts";
import { loadConfig } from "./config.ts";
import { openConsumer } from "./consumer.ts";
import { createShippedHandlers } from "./handlers/shipped-handlers.ts";
import { sandboxedHandlers } from "./handlers/sandboxed/index.ts";

/** In the source tree `.ts`, in an image the extension of the bundle. */
const extension = extname(import.meta.url);

async function main(): Promise<void> {
  const jobTypes = createRegistry(shippedJobTypes);
  const load = () => loadConfig(jobTypes, process.env, (path) => readFileSync(path, "utf8"));
  const config = load();
  await using logging = createLogging("consumer", config.log, { connect });
  const { log } = logging;
  process.on("SIGUSR2", () => toggleLevel(log, config.log.level));
  const { stop, deadline } = listenForSignals();
  const tracing =
    config.trace &&
    (await import("./observability/tracing-otlp.ts")).openTracing(config.trace, log);
  const consumer = await openConsumer(
    config,
    { ...logging, tracing },
    {
      jobTypes,
      createHandlers: (services) => createShippedHandlers(jobTypes, services, config),
      sandbox: {
        handlers: sandboxedHandlers,
        threadUrl: new URL(`./sandbox-thread${extension}`, import.meta.url),
      },
    },
  );
  if (config.schedules !== undefined) {
    process.on("SIGHUP", () => {
      try {
        const { schedules } = load();
        if (schedules !== undefined) consumer.useSchedules(schedules);
      } catch (error) {
        log.error({ err: error }, "failed to reload the schedule file");
      }
    });
  }
  log.info({ queues: config.worker.queues, statusPort: consumer.statusPort }, "ready");

  await waitForAbort(stop.signal);
  log.info("stopping");
  const timer = setTimeout(() => deadline.abort(), config.drainMs);
  const isClean = await consumer.close(deadline.signal);
  clearTimeout(timer);
  await tracing?.close();
  if (!isClean) throw new Error("jobs were still active at the shutdown deadline");
  log.info("stopped");
}

/** The first signal starts the shutdown, the second ends the drain. */
function listenForSignals() {
  const stop = new AbortController();
  const deadline = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => (stop.signal.aborted ? deadline : stop).abort());
  }
  return { stop, deadline };
}

try {
  await main();
  // A frozen store never closes its side of a connection; everything else is closed by now.
  setTimeout(() => process.exit(), 1000).unref();
} catch (error) {
  process.stderr.write(`consumer: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
