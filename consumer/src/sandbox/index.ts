export { defineSandbox } from "./define-sandbox.ts";
export type {
  SandboxContext,
  SandboxedHandler,
  SandboxedHandlerMap,
  SandboxedHandlers,
  SandboxModule,
} from "./sandboxed-handler.ts";
