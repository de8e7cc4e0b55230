/** Everything that `toril.config.ts` and the files of jobs need. */

export {
  defineJob,
  type JobData,
  type JobResult,
  type JobType,
  type JobTypeDefaults,
  type JobTypes,
  secret,
} from "@toril/contract";
export {
  type ChildJob,
  type Handler,
  type HandlerContext,
  type Handlers,
  NonRetryableError,
  RetryAfterError,
} from "@toril/consumer/handler";
export type {
  HandledAttempt,
  HandlerPlugin,
  Middleware,
  QueueOptions,
} from "@toril/consumer/plugin";
export {
  type ContextTools,
  defineConfig,
  type Project,
  type ProjectConfig,
  type ProjectPlugin,
} from "./define-config.ts";
export { shipped } from "./shipped.ts";
