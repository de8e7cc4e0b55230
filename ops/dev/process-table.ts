import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readlinkSync } from "node:fs";

/**
 * Tells a process from a later one that was given the same id: when it started, and since which boot.
 * @returns undefined when there is no such process
 */
export function identify(pid: number): string | undefined {
  if (!existsSync("/proc/self/stat")) {
    return commandOutput("ps", ["-o", "lstart=", "-p", String(pid)]) || undefined;
  }
  const stat = read(`/proc/${pid}/stat`);
  // The name may hold spaces and parentheses; what is counted follows the last one.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (stat === "" || fields[0] === "Z") return undefined;
  return `${read("/proc/sys/kernel/random/boot_id").trim()} ${fields[19]}`;
}

/** The command line and the folder of a process, as far as this user may see them. */
export function describeProcess(pid: number): string {
  const command =
    read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim() ||
    commandOutput("ps", ["-o", "command=", "-p", String(pid)]);
  const folder = readLink(`/proc/${pid}/cwd`);
  return `pid ${pid}${command && `: ${command}`}${folder && ` (in ${folder})`}`;
}

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
