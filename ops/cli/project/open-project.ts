import { applyDefaults, createRegistry, type JobType, type JobTypeRegistry } from "@toril/contract";
import type { HandlerPlugin, JobTypePlugin, Middleware } from "@toril/consumer/plugin";
import type { Handler } from "@toril/consumer/handler";
import type { SandboxModule } from "@toril/consumer/sandbox";
import { UserError } from "../../dev/user-error.ts";
import type { Project, ProjectConfig } from "./define-config.ts";

/** A project whose job types and handlers were checked. */
export interface OpenedProject {
  jobTypes: JobTypeRegistry;
  /** Loads the handlers for a consumer. */
  loadPlugin(): Promise<JobTypePlugin>;
}

/**
 * Builds the registry of a project and checks its handlers, which the compiler cannot do for JavaScript.
 * @throws UserError that describes the fault
 */
export function openProject({ config }: Project): OpenedProject {
  const { jobTypes: own, plugins = [], defaults = {} } = config;
  checkOwn(config);
  const types = [
    ...own.map((jobType) => applyDefaults(jobType, defaults)),
    ...plugins.flatMap(({ jobTypes }) => jobTypes),
  ];
  const jobTypes = buildRegistry(types);
  const unknown = Object.keys(config.queues ?? {}).filter(
    (name) => !jobTypes.queues.includes(name),
  );
  if (unknown.length > 0) throw new UserError(`no job type has the queue ${unknown.join(", ")}`);
  return {
    jobTypes,
    async loadPlugin() {
      const loaded = await Promise.all(plugins.map((plugin) => plugin.loadHandlers()));
      return createPlugin(config, jobTypes, loaded);
    },
  };
}

function checkOwn({ jobTypes, handlers, sandbox }: ProjectConfig): void {
  if (!Array.isArray(jobTypes) || !jobTypes.every(isJobType)) {
    throw new UserError("jobTypes must be a list of job types: values of defineJob");
  }
  const defined: Record<string, unknown> = { ...handlers };
  const sandboxed: Record<string, unknown> = { ...sandbox?.handlers };
  const isHandled = ({ type, worker, sandbox: limits }: JobType) =>
    worker !== "handler" ||
    typeof (limits === undefined ? defined : sandboxed)[type] === "function";
  const missing = jobTypes.filter((jobType) => !isHandled(jobType)).map(({ type }) => type);
  if (missing.length > 0)
    throw new UserError(`no handler for the job types: ${missing.join(", ")}`);
  const names = new Set(jobTypes.map(({ type }) => type));
  const unknown = Object.keys({ ...defined, ...sandboxed }).filter((name) => !names.has(name));
  if (unknown.length > 0) throw new UserError(`handlers without a job type: ${unknown.join(", ")}`);
}

function isJobType(value: unknown): value is JobType {
  return typeof value === "object" && value !== null && "type" in value && "options" in value;
}

function buildRegistry(types: readonly JobType[]): JobTypeRegistry {
  try {
    return createRegistry(types);
  } catch (error) {
    throw new UserError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function createPlugin(
  config: ProjectConfig,
  jobTypes: JobTypeRegistry,
  plugins: readonly HandlerPlugin[],
): JobTypePlugin {
  const { handlers, context, middleware = [], queues = {}, sandbox } = config;
  return {
    jobTypes,
    queues,
    // Sound: the consumer adds the properties of `openContext` to each context.
    middleware: middleware as readonly Middleware[],
    sandboxes: [
      ...(sandbox === undefined ? [] : [sandbox as SandboxModule]),
      ...plugins.flatMap(({ sandboxes = [] }) => sandboxes),
    ],
    createHandlers: (services) =>
      new Map<string, Handler>([
        ...plugins.flatMap((plugin) => [...plugin.createHandlers(services)]),
        ...(Object.entries(handlers) as [string, Handler][]),
      ]),
    openContext: async (resources) =>
      (await context?.({
        onClose: (close) => resources.defer(async () => void (await close())),
      })) ?? {},
  };
}
