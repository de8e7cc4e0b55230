import { readFileSync } from "node:fs";
import { connect } from "node:net";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { ConfigError, type Env, loadEnv } from "@toril/contract/engine/config/config";
import { toLogSettings } from "@toril/contract/engine/logging/log-config";
import { createLogging, toggleLevel } from "@toril/contract/engine/logging/logging";
import { toTraceSettings } from "@toril/contract/engine/tracing/settings";
import { Config } from "./config.ts";
import { openProducer } from "./producer.ts";
import { bun } from "./runtime/serve-bun.ts";
import { deno } from "./runtime/serve-deno.ts";

/** Runs a producer as this process, until a signal ends it. A failure is printed, and sets exit code 1. */
export async function runProducer(jobTypes: JobTypeRegistry, env: Env): Promise<void> {
  try {
    await run(jobTypes, env);
    // A frozen store never closes its side of a connection, which would keep the process alive; nothing else is open now.
    setTimeout(() => process.exit(), 1000).unref();
  } catch (error) {
    const text = error instanceof ConfigError ? error.message : describe(error);
    process.stderr.write(`producer: ${text}\n`);
    process.exitCode = 1;
  }
}

function describe(error: unknown): string {
  return (error instanceof Error && error.stack) || String(error);
}

async function run(jobTypes: JobTypeRegistry, env: Env): Promise<void> {
  const config = loadEnv(Config, env, (path) => readFileSync(path, "utf8"));
  await using logging = createLogging("producer", toLogSettings(config), { connect });
  const { log } = logging;
  process.on("SIGUSR2", () => toggleLevel(log, config.LOG_LEVEL));
  const spans = toTraceSettings(config, "toril-producer");
  const tracing =
    spans && (await import("./observability/tracing-otlp.ts")).openTracing(spans, log);
  const runtime = "Deno" in globalThis ? deno : bun;
  const producer = await openProducer(jobTypes, config, { ...logging, tracing }, runtime);
  log.info({ url: producer.url.href }, "listening");
  await nextSignal();
  log.info("draining");
  await producer.close();
  await tracing?.close();
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
  });
}
