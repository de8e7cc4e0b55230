/** For modules with the handlers of sandboxed job types. */

export {
  defineSandbox,
  type SandboxContext,
  type SandboxedHandler,
  type SandboxedHandlers,
  type SandboxModule,
} from "@toril/consumer/sandbox";
