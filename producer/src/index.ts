export { Config } from "./config.ts";
export { openProducer, type Producer, type Telemetry } from "./producer.ts";
export { runProducer } from "./run-producer.ts";
export { bun } from "./runtime/serve-bun.ts";
export { deno } from "./runtime/serve-deno.ts";
export type { Runtime } from "./runtime/serve.ts";
