/** Runs handlers in tests: alone, or as a service with stores. */

export { type HandlerRun, type LogLine, runHandler, type RunOptions } from "./run-handler.ts";
export { type ServiceOptions, startService, type TestService } from "./start-service.ts";
