import { fileURLToPath } from "node:url";
import { describeExit, type Child, type OnSpawn } from "../../../dev/processes/child.ts";
import { freePort } from "../../../dev/processes/ports.ts";
import { type Program, startConsumer, startProducer } from "../../../dev/processes/start-app.ts";
import { UserError } from "../../../dev/user-error.ts";
import { findBun, findNode, oldestNode } from "../runtimes.ts";
import { followLog } from "./follow-log.ts";

export interface ServicesSettings {
  /** Folder of the project, in which the processes run. */
  directory: string;
  configPath: string;
  port: number;
  env: NodeJS.ProcessEnv;
  logFile(name: string): string;
  onSpawn?: OnSpawn;
  signal: AbortSignal;
  onLine?(name: string, line: string): void;
}

/** A producer and a consumer of a project. */
export interface Services extends AsyncDisposable {
  readonly children: readonly Child[];
  /** Resolves to a description when one of the processes ends by itself. */
  readonly failed: Promise<string>;
}

/** The command line, beside this module: `.ts` in the repository, `.js` in the package. */
const main = fileURLToPath(
  new URL(`../../main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url),
);

/** Starts a producer on `port` and a consumer, and waits until both are ready. */
export async function startServices(settings: ServicesSettings): Promise<Services> {
  const { directory, configPath, env, signal, onSpawn, onLine } = settings;
  await using opening = new AsyncDisposableStack();
  const children: Child[] = [];
  const toProgram = (command: string, name: string): Program => ({
    command,
    args: [main, name, "--config", configPath],
  });

  async function open(start: typeof startProducer, name: string, command: string, port: number) {
    const logFile = settings.logFile(name);
    const child = await start({
      root: directory,
      program: toProgram(command, name),
      name,
      port,
      env,
      logFile,
      signal,
      onSpawn(spawned) {
        onSpawn?.(spawned);
        if (onLine) opening.use(followLog(logFile, (line) => onLine(name, line)));
      },
    });
    children.push(opening.use(child));
  }

  const [bun, node] = [findBun(), findNode(directory)];
  if (bun === undefined) throw new UserError("Bun is missing");
  if (node === undefined) {
    throw new UserError(
      `a consumer needs Node ${oldestNode} or newer: install it, or run "npm install node@${oldestNode}" in the project`,
    );
  }
  await open(startProducer, "producer", bun, settings.port);
  await open(startConsumer, "consumer", node, await freePort());
  const opened = opening.move();
  return {
    children,
    failed: Promise.race(
      children.map(async (child) => {
        const exit = await child.exited;
        // A process that is stopped has not failed.
        if (child.isStopping) await new Promise(() => {});
        return `${child.name} ${describeExit(exit)}`;
      }),
    ),
    async [Symbol.asyncDispose]() {
      await Promise.all(children.map((child) => child.stop()));
      await opened.disposeAsync();
    },
  };
}
