export { type Config, loadConfig } from "./config.ts";
export { type Consumer, openConsumer, type Telemetry } from "./consumer.ts";
export {
  defineHandlers,
  type Handler,
  type HandlerContext,
  type HandlerMap,
  type Handlers,
  NonRetryableError,
  RetryAfterError,
} from "./worker/handler.ts";
export type { HandlerServices, JobTypePlugin } from "./worker/plugin.ts";
