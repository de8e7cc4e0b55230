import type { JobTypeDefaults, JobTypes } from "@toril/contract";
import type { Handlers } from "@toril/consumer/handler";
import type { HandlerPlugin, Middleware, QueueOptions } from "@toril/consumer/plugin";
import type { SandboxedHandlers, SandboxModule } from "@toril/consumer/sandbox";

/** What the `context` factory receives. */
export interface ContextTools {
  /** Closes a resource with the consumer, after the last attempt; the last one opened is closed first. */
  onClose(close: () => unknown): void;
}

/** Job types with handlers that another package provides. */
export interface ProjectPlugin {
  jobTypes: JobTypes;
  /** Loads the handlers; called by consumers only. */
  loadHandlers(): Promise<HandlerPlugin>;
}

export interface ProjectConfig<Types extends JobTypes = JobTypes, Context extends object = object> {
  /** The first one with an example is the example in the documentation of the API. */
  jobTypes: Types;
  /** Opens what handlers need, when a consumer starts. Its properties are added to the context of each attempt. */
  context?(tools: ContextTools): Context | Promise<Context>;
  /** One handler per job type, except for sandboxed ones. */
  handlers: Handlers<Types, NoInfer<Context>>;
  /** The handlers of sandboxed job types: the value of `defineSandbox`. */
  sandbox?: SandboxModule<SandboxedHandlers<Types>>;
  /** Runs around all handlers, the first one outermost. */
  middleware?: readonly Middleware<NoInfer<Context>>[];
  plugins?: readonly ProjectPlugin[];
  /** Options of consumers, by queue. */
  queues?: Readonly<Record<string, QueueOptions>>;
  /** Options of job types that do not define them. */
  defaults?: JobTypeDefaults;
}

/** Marks values of `defineConfig`. A symbol of all realms: the package may be installed twice. */
const projectMark = Symbol.for("toril.project");

/** The job types of a project, and everything that its producers and consumers need. */
export interface Project<Types extends JobTypes = JobTypes, Context extends object = object> {
  readonly config: ProjectConfig<Types, Context>;
  readonly [projectMark]: true;
}

/**
 * Defines a project, in `toril.config.ts`. A missing or mistyped handler is a compile error. List `context` before
 * `handlers`, and annotate its parameter, so that functions written in place know its type.
 */
export function defineConfig<const Types extends JobTypes, Context extends object = object>(
  config: ProjectConfig<Types, Context>,
): Project<Types, Context> {
  return { config, [projectMark]: true };
}

export function isProject(value: unknown): value is Project {
  return typeof value === "object" && value !== null && projectMark in value;
}
