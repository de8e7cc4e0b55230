export { Config } from "./config.ts";
export { openProducer, type Producer } from "./producer.ts";
export type { Telemetry } from "./subjects.ts";
export { runProducer } from "./run-producer.ts";
export { bun } from "./runtime/serve-bun.ts";
export { deno } from "./runtime/serve-deno.ts";
export type { Runtime } from "./runtime/serve.ts";
