import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";

import { commandOutput, describeProcess } from "./process-table.ts";
import { UserError } from "../user-error.ts";

const host = "127.0.0.1";

/** Picks a free port below the ephemeral range, so that no outgoing connection takes it while a server restarts. */
export const freePort = createPortPicker(30_000, 2_500);

/** Picks free ports round-robin, so that a port is not picked again before its server listens. */
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

/** @throws UserError that names the process that uses the first taken port */
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

/** Lists the inodes of sockets that listen on `port`, from a table with hexadecimal numbers. */
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

/** Returns nothing on errors: processes end while /proc is read, and those of other users are not readable. */
function attempt(read: () => string[]): string[] {
  try {
    return read();
  } catch {
    return [];
  }
}
