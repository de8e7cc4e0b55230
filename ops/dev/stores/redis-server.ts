import { UserError } from "../user-error.ts";
import { commandOutput } from "../processes/process-table.ts";
import { installProgram } from "./install-program.ts";

export interface RedisServer {
  /** Returns the command, its leading arguments, and the arguments that bind Redis to loopback. */
  command(port: number, dir: string): { command: string; args: string[]; host: string[] };
}

const image = "redis:7-alpine";
const oldest = [6, 2] as const;

/** Finds Redis on the PATH, installs it from the system's packages, or uses a container. */
export function findRedisServer(): RedisServer {
  const found = findOnPath() ?? (installProgram("redis") ? findOnPath() : undefined);
  if (found) return onHost(found);
  if (commandOutput("docker", ["version", "--format", "{{.Server.Version}}"])) return inContainer();
  throw new UserError(
    `No Redis ${oldest.join(".")} or newer: install redis-server or valkey-server, start Docker, or set REDIS_URL.`,
  );
}

function findOnPath(): string | undefined {
  return ["redis-server", "valkey-server"].find((command) => {
    const version = /v=(\d+)\.(\d+)/.exec(commandOutput(command, ["--version"]));
    const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
    return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
  });
}

function onHost(command: string): RedisServer {
  return {
    command: (_port, dir) => ({ command, args: [], host: ["--bind", "127.0.0.1", "--dir", dir] }),
  };
}

/** Docker's port mapping binds to loopback. */
function inContainer(): RedisServer {
  return {
    command: (port, dir) => ({
      command: "docker",
      args: [
        ["run", "--rm", "--name", `toril-redis-${port}`],
        ["--publish", `127.0.0.1:${port}:${port}`, "--volume", `${dir}:/data`],
        [image, "redis-server"],
      ].flat(),
      host: ["--bind", "0.0.0.0", "--protected-mode", "no"],
    }),
  };
}
