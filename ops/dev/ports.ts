import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";

import { commandOutput, describeProcess } from "./process-table.ts";
import { UserError } from "./user-error.ts";

const host = "127.0.0.1";

/** A free port, below those that systems give to outgoing connections: while a server is away, no client has its port. */
export const freePort = createPortPicker(30_000, 2_500);

/** Picks the free ones of `size` ports in turn, so that none is picked again before what asked for it listens. */
export function createPortPicker(first: number, size: number): () => Promise<number> {
  let next = Math.floor(Math.random() * size);
  return async () => {
    for (let tries = 0; tries < size; tries++) {
      const port = first + (next++ % size);
      if (await isFree(port)) return port;
    }
    throw new Error(`no free port on ${host} from ${first} to ${first + size - 1}`);
  };
}

/** @throws Refusal that says who has the first port that is taken */
export async function requireFreePorts(first: number, count: number): Promise<void> {
  for (let port = first; port < first + count; port++) {
    if (await isFree(port)) continue;
    const pid = findListener(port);
    const holder = pid === undefined ? "another process" : describeProcess(pid);
    throw new UserError(`Port ${port} is taken by ${holder}.\nChoose another one with --port.`);
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function findListener(port: number): number | undefined {
  const inodes = new Set(
    ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) => listeners(path, port)),
  );
  if (inodes.size > 0) return findOwner(inodes);
  const pid = Number(
    commandOutput("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-t"]).split("\n")[0],
  );
  return pid > 0 ? pid : undefined;
}

/** The inodes of sockets that listen on `port`, from a table whose numbers are hexadecimal. */
function listeners(path: string, port: number): string[] {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return attempt(() => readFileSync(path, "utf8").split("\n"))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(local) && fields[3] === "0A")
    .map((fields) => `socket:[${fields[9]}]`);
}

function findOwner(inodes: ReadonlySet<string>): number | undefined {
  const pids = attempt(() => readdirSync("/proc")).filter((name) => /^\d+$/.test(name));
  const owner = pids.find((pid) =>
    attempt(() => readdirSync(`/proc/${pid}/fd`)).some((fd) =>
      attempt(() => [readlinkSync(`/proc/${pid}/fd/${fd}`)]).some((link) => inodes.has(link)),
    ),
  );
  return owner === undefined ? undefined : Number(owner);
}

/** Processes come and go, and those of others are closed to us, while /proc is read. */
function attempt(read: () => string[]): string[] {
  try {
    return read();
  } catch {
    return [];
  }
}
