import { readFileSync } from "node:fs";
import { connect } from "node:net";
import type { Env } from "@toril/contract/engine/config/config";
import { createLogging, toggleLevel } from "@toril/contract/engine/logging/logging";
import { loadConfig } from "./config.ts";
import { openConsumer } from "./consumer.ts";
import { waitForAbort } from "./wait.ts";
import type { JobTypePlugin } from "./worker/plugin.ts";

/** Runs a consumer as this process, until a signal ends it. A failure is printed, and ends the process with code 1. */
export async function runConsumer(plugin: JobTypePlugin, env: Env): Promise<void> {
  try {
    await run(plugin, env);
    // A frozen store never closes its side of a connection; everything else is closed by now.
    setTimeout(() => process.exit(), 1000).unref();
  } catch (error) {
    process.stderr.write(`consumer: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

async function run(plugin: JobTypePlugin, env: Env): Promise<void> {
  const load = () => loadConfig(plugin.jobTypes, env, (path) => readFileSync(path, "utf8"));
  const config = load();
  await using logging = createLogging("consumer", config.log, { connect });
  const { log } = logging;
  process.on("SIGUSR2", () => toggleLevel(log, config.log.level));
  const { stop, deadline } = listenForSignals();
  const tracing =
    config.trace &&
    (await import("./observability/tracing-otlp.ts")).openTracing(config.trace, log);
  const consumer = await openConsumer(config, { ...logging, tracing }, plugin);
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
