export { type Config, loadConfig } from "./config.ts";
export { type Consumer, openConsumer, type Telemetry } from "./consumer.ts";
export { runConsumer } from "./run-consumer.ts";
export { runHandler, type HandlerResult } from "./worker/attempt/run-handler.ts";
export {
  defineHandlers,
  type ChildJob,
  type EnqueuedChildren,
  type Handler,
  type HandlerContext,
  type HandlerMap,
  type Handlers,
  NonRetryableError,
  RetryAfterError,
} from "./worker/handler.ts";
export { createExtendContext } from "./worker/extend-context.ts";
export { wrapHandlers } from "./worker/wrap-handlers.ts";
export type {
  HandledAttempt,
  HandlerPlugin,
  HandlerServices,
  JobTypePlugin,
  Middleware,
  QueueOptions,
} from "./worker/plugin.ts";
