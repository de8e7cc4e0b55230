import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { describeExit, startChild } from "../../ops/dev/processes/child.ts";
import { freePort } from "../../ops/dev/processes/ports.ts";
import { UserError } from "../../ops/dev/user-error.ts";
import { listStaleFolders, groupName } from "./group-name.ts";

export interface StackSettings {
  root: string;
  producers: string;
  consumers: string;
  /** Returns a command that runs another one inside the control group. */
  enter(command: string, args: readonly string[]): { command: string; args: string[] };
  /** Aborted if the stack ends unexpectedly. */
  stop: AbortController;
}

export interface Stack extends AsyncDisposable {
  url: string;
  pid: number;
}

/** Runs `npm start` with temporary data. */
export async function startStack(settings: StackSettings): Promise<Stack> {
  const { root, producers, consumers, enter, stop } = settings;
  await using opening = new AsyncDisposableStack();
  const home = join(root, ".toril");
  mkdirSync(home, { recursive: true });
  for (const left of listStaleFolders(home)) rmSync(left, { recursive: true, force: true });
  const dir = join(home, groupName);
  // Postgres may have to run as another user.
  mkdirSync(dir, { mode: 0o711 });
  opening.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));

  const data = join(dir, "data");
  const port = String(await freePort());
  const options = ["--no-demo", "--data", data, "--port", port];
  const start = ["ops/dev/start.ts", ...options, "--producers", producers];
  const child = opening.use(
    await startChild({
      name: "the stack",
      ...enter(process.execPath, [...start, "--consumers", consumers]),
      cwd: root,
      env: ownEnv(process.env),
      logFile: join(dir, "start.log"),
      stopMs: 60_000,
    }),
  );
  // The file is written when everything is ready.
  const isReady = async () => existsSync(join(data, "env")) || undefined;
  await child.ready(isReady, { timeoutMs: 180_000, signal: stop.signal });
  void child.exited.then((exit) => {
    if (child.isStopping) return;
    const message = `The stack ${describeExit(exit)}; its log ends with`;
    stop.abort(new UserError(`${message}\n${child.logTail()}`));
  });

  const opened = opening.move();
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

const hiddenVariables = new Set(["REDIS_URL", "DATABASE_URL"]);

function ownEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !hiddenVariables.has(name)));
}
