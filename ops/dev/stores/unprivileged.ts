import { spawnSync } from "node:child_process";
import { chownSync, existsSync, statSync } from "node:fs";

import type { Command } from "../processes/child.ts";
import { commandOutput } from "../processes/process-table.ts";
import { UserError } from "../user-error.ts";

/** Runs a program as an unprivileged user if this process is root, because Postgres refuses to run as root. */
export interface Runner {
  command(command: string, args: readonly string[]): Command;
  /** Changes the owner of a file or directory to that user. */
  own(path: string): void;
}

/**
 * @param data data directory of the program: if it exists, the program runs as its owner
 * @param needs paths that the user must be able to enter or execute
 */
export function createRunner(data: string, needs: readonly string[]): Runner {
  if (process.getuid?.() !== 0) {
    return { command: (command, args) => ({ command, args }), own: () => {} };
  }
  const { uid, gid } = findOwner(data) ?? findUser("postgres") ?? findUser("nobody") ?? fail(data);
  const own = (path: string) => chownSync(path, uid, gid);
  const canReach = needs.every(
    (path) => spawnSync("test", ["-x", path], { uid, gid, cwd: "/" }).status === 0,
  );
  if (canReach) {
    return { own, command: (command, args) => ({ command, args, uid, gid, cwd: "/" }) };
  }
  const walker = ["--reuid", String(uid), "--regid", String(gid), ...traverseFlags];
  if (needs.some((path) => spawnSync(setpriv, [...walker, "test", "-x", path]).status !== 0)) {
    fail(data);
  }
  return {
    own,
    command: (command, args) => ({ command: setpriv, args: [...walker, command, ...args] }),
  };
}

const setpriv = "setpriv";
// Other users cannot enter a checkout below /root: this one keeps the capability to traverse directories.
const traverseFlags = [
  ["--clear-groups", "--securebits", "+no_setuid_fixup"],
  ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override", "--"],
].flat();

function findOwner(path: string): { uid: number; gid: number } | undefined {
  if (!existsSync(path)) return undefined;
  const { uid, gid } = statSync(path);
  return uid === 0 ? undefined : { uid, gid };
}

function findUser(user: string): { uid: number; gid: number } | undefined {
  const [uid, gid] = [commandOutput("id", ["-u", user]), commandOutput("id", ["-g", user])];
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

function fail(data: string): never {
  throw new UserError(
    `Postgres does not run as root, and no other user can access ${data}: run this as another user, use a directory that all users can enter, or set DATABASE_URL.`,
  );
}
