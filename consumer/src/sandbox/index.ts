export { defineSandbox } from "./serve-thread.ts";
export type {
  SandboxContext,
  SandboxedHandler,
  SandboxedHandlerMap,
  SandboxedHandlers,
  SandboxModule,
} from "./sandboxed-handler.ts";
