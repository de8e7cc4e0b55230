import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { shippedJobTypes } from "@toril/contract/api/job-types/index";
import { createRegistry } from "@toril/contract/api/registry";
import { ConfigError, loadEnv } from "@toril/contract/engine/config/config";
import { toLogSettings } from "@toril/contract/engine/logging/log-config";
import { createLogging, toggleLevel } from "@toril/contract/engine/logging/logging";
import { toTraceSettings } from "@toril/contract/engine/tracing/settings";
import { Config } from "./config.ts";
import { openProducer } from "./producer.ts";
import { bun } from "./runtime/serve-bun.ts";
import { deno } from "./runtime/serve-deno.ts";

async function main(): Promise<void> {
  const config = loadEnv(Config, process.env, (path) => readFileSync(path, "utf8"));
  await using logging = createLogging("producer", toLogSettings(config), { connect });
  const { log } = logging;
  process.on("SIGUSR2", () => toggleLevel(log, config.LOG_LEVEL));
  const spans = toTraceSettings(config, "toril-producer");
  const tracing =
    spans && (await import("./observability/tracing-otlp.ts")).openTracing(spans, log);
  const runtime = "Deno" in globalThis ? deno : bun;
  const producer = await openProducer(
    createRegistry(shippedJobTypes),
    config,
    { ...logging, tracing },
    runtime,
  );
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

try {
  await main();
  // A frozen store never closes its side of a connection, which would keep the process alive; nothing else is open now.
  setTimeout(() => process.exit(), 1000).unref();
} catch (error) {
  console.error(error instanceof ConfigError ? `producer: ${error.message}` : error);
  process.exitCode = 1;
}
