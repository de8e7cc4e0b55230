import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readlinkSync } from "node:fs";

/**
 * Distinguishes a process from a later one with the same id: boot id and start time.
 * @returns undefined if there is no such process
 */
export function identify(pid: number): string | undefined {
  if (!existsSync("/proc/self/stat")) {
    return commandOutput("ps", ["-o", "lstart=", "-p", String(pid)]) || undefined;
  }
  const stat = read(`/proc/${pid}/stat`);
  // The process name may contain spaces and parentheses; the fields start after the last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (stat === "" || fields[0] === "Z") return undefined;
  return `${read("/proc/sys/kernel/random/boot_id").trim()} ${fields[19]}`;
}

/** Describes a process by its command line and working directory, as far as they are readable. */
export function describeProcess(pid: number): string {
  const command =
    read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim() ||
    commandOutput("ps", ["-o", "command=", "-p", String(pid)]);
  const folder = readLink(`/proc/${pid}/cwd`);
  return `pid ${pid}${command && `: ${command}`}${folder && ` (in ${folder})`}`;
}

/** Returns the output of a command; empty if it fails. */
export function commandOutput(command: string, args: readonly string[]): string {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : "";
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
