import { readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { createApi } from "@toril/contract/api/http/index";
import { buildOpenApi, toYaml } from "@toril/contract/api/openapi/openapi";
import { LedgerConfig, loadEnv } from "@toril/contract/engine/config/config";
import { confirmDatabase } from "../../dev/stores/confirm-database.ts";
import { migrateDatabase } from "../../dev/stores/migrate-database.ts";
import {
  type Command,
  type CommandContext,
  type Commands,
  getOperand,
  UsageError,
} from "../command.ts";
import { checkExample } from "./check-example.ts";
import { importConsumer, importProducer } from "./import-process.ts";
import { initProject } from "./init-project.ts";
import { loadProject, requireConfig } from "./load-project.ts";
import { readManifest } from "./manifest.ts";

const configOption = {
  config: { value: "FILE", help: "config file of the project; by default toril.config.ts" },
} as const;

const init: Command = {
  summary: "create a project with a job type, a handler and a test",
  operands: ["dir"],
  options: {
    packages: {
      value: "DIR",
      help: "install the tarballs of this folder (`bun run pack`) instead of published packages",
    },
  },
  async run(parsed, { directory, print, inform }) {
    const folder = getOperand(parsed);
    const packages = parsed.options["packages"];
    const files = initProject({
      directory: resolve(directory, folder),
      packages: packages === undefined ? undefined : resolve(directory, packages),
    });
    for (const file of files) print(file);
    inform(`\nNext: cd ${folder} && npm install && npx toril dev`);
  },
};

const dev: Command = {
  summary: "run Redis, Postgres, a producer and a consumer; restart when a file changes",
  operands: [],
  options: {
    ...configOption,
    port: { value: "P", help: "port of the API; 3000 by default" },
    data: { value: "DIR", help: "folder for data and logs; .toril by default" },
    yes: { short: "y", help: "use the database of DATABASE_URL without asking" },
  },
  async run({ options, flags }, { directory, env }) {
    const configPath = requireConfig(directory, options["config"]);
    const { runDev } = await import("./dev/dev.ts");
    const stop = new AbortController();
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(name, () => stop.abort(new Stopped(name)));
    }
    const databaseUrl = env["DATABASE_URL"];
    if (databaseUrl && !flags.has("yes"))
      await confirmDatabase({ databaseUrl, demo: false, signal: stop.signal });
    try {
      await runDev({
        directory: dirname(configPath),
        configPath,
        port: parsePort(options["port"] ?? "3000"),
        dataDir: resolve(directory, options["data"] ?? ".toril"),
        env,
        output: process.stdout,
        stop,
      });
    } catch (error) {
      const reason: unknown = stop.signal.aborted ? stop.signal.reason : error;
      if (!(reason instanceof Stopped)) throw reason;
    }
  },
};

/** Ctrl-C, which is not a failure. */
class Stopped extends Error {}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new UsageError(`--port must be a whole number from 1 to 65535, not "${text}"`);
}

const producer: Command = {
  summary: "run a producer: the API",
  operands: [],
  options: configOption,
  async run({ options }, { directory, env }) {
    const { jobTypes } = await loadProject(requireConfig(directory, options["config"]));
    const { runProducer } = await importProducer();
    await runProducer(jobTypes, env);
    return Number(process.exitCode ?? 0);
  },
};

const consumer: Command = {
  summary: "run a consumer: the handlers (Node 24 or newer)",
  operands: [],
  options: configOption,
  async run({ options }, { directory, env }) {
    const project = await loadProject(requireConfig(directory, options["config"]));
    const { runConsumer } = await importConsumer();
    await runConsumer(await project.loadPlugin(), env);
  },
};

const migrate: Command = {
  summary: "create or update the tables of the ledger",
  operands: [],
  options: {},
  async run(_, { env, inform }) {
    const { DATABASE_URL } = loadEnv(LedgerConfig, env, (path) => readFileSync(path, "utf8"));
    await migrateDatabase(DATABASE_URL);
    inform("The ledger has the newest schema.");
  },
};

const openapi: Command = {
  summary: "print the OpenAPI document of the project as YAML",
  operands: [],
  options: { ...configOption, out: { value: "FILE", help: "write this file instead" } },
  async run({ options }, context) {
    const text = await renderOpenApi(options["config"], context);
    const out = options["out"];
    if (out === undefined) context.print(text.trimEnd());
    else writeFileSync(resolve(context.directory, out), text);
  },
};

async function renderOpenApi(config: string | undefined, { directory }: CommandContext) {
  const { jobTypes } = await loadProject(requireConfig(directory, config));
  return toYaml(buildOpenApi(createApi(jobTypes), readManifest().version));
}

const check: Command = {
  summary: "check the config: job types, handlers, schemas",
  operands: [],
  options: configOption,
  async run({ options }, { directory, inform }) {
    const path = requireConfig(directory, options["config"]);
    const { jobTypes, loadPlugin } = await loadProject(path);
    await loadPlugin();
    jobTypes.types.forEach(checkExample);
    // Fails for a schema that the document cannot describe.
    buildOpenApi(createApi(jobTypes), readManifest().version);
    const queues = jobTypes.queues.length === 1 ? "queue" : "queues";
    inform(`ok: ${jobTypes.names.join(", ")} in the ${queues} ${jobTypes.queues.join(", ")}`);
  },
};

/** Commands for a project with a `toril.config.ts`. */
export const projectCommands: Commands = {
  init,
  dev,
  producer,
  consumer,
  migrate,
  openapi,
  check,
};
