import { readFileSync } from "node:fs";
import { ConfigError, loadEnv } from "@toril/contract/config";
import { Config } from "./config.ts";
import { createLog } from "./log.ts";
import { openProducer } from "./producer.ts";

async function main(): Promise<void> {
  const config = loadEnv(Config, process.env, (path) => readFileSync(path, "utf8"));
  const log = createLog(config.LOG_LEVEL);
  const producer = await openProducer(config, log);
  log.info({ url: producer.url.href }, "producer listens");
  await nextSignal();
  log.info("producer drains");
  await producer.close();
  // A store that is frozen never closes its side of a connection; nothing else is open now.
  setTimeout(() => process.exit(), 1000).unref();
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
  });
}

try {
  await main();
} catch (error) {
  console.error(error instanceof ConfigError ? `producer: ${error.message}` : error);
  process.exitCode = 1;
}
