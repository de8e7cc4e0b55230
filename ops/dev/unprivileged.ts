import { spawnSync } from "node:child_process";
import { chownSync, existsSync, statSync } from "node:fs";

import type { Command } from "./child.ts";
import { commandOutput } from "./process-table.ts";
import { UserError } from "./user-error.ts";

/** Postgres refuses to run as root: this runs a program as someone else then, and as it is otherwise. */
export interface Runner {
  command(command: string, args: readonly string[]): Command;
  /** Gives a file or folder to the one the program runs as. */
  own(path: string): void;
}

/**
 * @param data what the program will work on: if it is there already, its owner runs the program
 * @param needs paths that whoever runs it must be able to enter or run
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
// A checkout below /root is closed to every other user: this one keeps the right to pass through.
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
    `Postgres does not run as root, and no other user can reach ${data}: run this as another user, from a folder that all may enter, or set DATABASE_URL.`,
  );
}
