import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { UserError } from "../../ops/dev/user-error.ts";
import { until } from "../../ops/dev/until.ts";
import type { CgroupTree } from "./cgroup-tree.ts";
import type { Confinement, Limits } from "./confinement.ts";
import { describeLimits, type GroupFiles, readUsage } from "./group-files.ts";
import { listStaleFolders, groupName } from "./group-name.ts";

const periodUs = 100_000;

/**
 * Creates a control group through the file system.
 * @throws UserError if control groups are unavailable, or this user may not create one
 */
export function createCgroup(limits: Limits, tree: CgroupTree): Confinement {
  const files = unifiedFiles(tree) ?? legacyFiles(tree);
  if (files === undefined) throw new UserError("control groups for CPU and memory are unavailable");
  const folders = [...new Set([files.cpu, files.cpuTime, files.memory])];
  const left = folders.flatMap((folder) => listStaleFolders(dirname(folder)));
  for (const folder of left) removeEmpty(folder);
  try {
    writeLimits(files, folders, limits);
  } catch (error) {
    for (const folder of folders) removeEmpty(folder);
    throw new UserError(`this user may not create control groups (${(error as Error).message})`);
  }
  const enter = folders.map((folder) => `echo $$ >${join(folder, "cgroup.procs")}`);
  return {
    enter: (command, args) => ({
      command: "/bin/sh",
      args: ["-c", `${enter.join(" && ")} && exec "$0" "$@"`, command, ...args],
    }),
    measure: () => ({ describe: () => describeLimits(files), read: () => readUsage(files) }),
    async [Symbol.asyncDispose]() {
      for (const folder of folders) {
        killAll(folder);
        const gone = async () => removeEmpty(folder) || undefined;
        await until(`${folder} is empty`, gone, { timeoutMs: 10_000 });
      }
    },
  };
}

/** A sibling of this process' group: only the root group may contain both processes and groups with limits. */
function unifiedFiles(tree: CgroupTree): GroupFiles | undefined {
  const own = tree.unified();
  if (own === undefined) return undefined;
  const isRoot = !existsSync(join(own, "cgroup.type"));
  const folder = join(isRoot ? own : dirname(own), groupName);
  return { version: 2, cpu: folder, cpuTime: folder, memory: folder };
}

/** A child of this process' group, so that its limits apply too. */
function legacyFiles(tree: CgroupTree): GroupFiles | undefined {
  const [cpu, cpuTime, memory] = ["cpu", "cpuacct", "memory"].map((controller) =>
    tree.legacy(controller),
  );
  if (cpu === undefined || cpuTime === undefined || memory === undefined) return undefined;
  return {
    version: 1,
    cpu: join(cpu, groupName),
    cpuTime: join(cpuTime, groupName),
    memory: join(memory, groupName),
  };
}

function writeLimits(
  { version, cpu, memory }: GroupFiles,
  folders: string[],
  limits: Limits,
): void {
  for (const folder of folders) mkdirSync(folder);
  const quotaUs = limits.cpus * periodUs;
  if (version === 2) {
    const enabled = join(dirname(cpu), "cgroup.subtree_control");
    const controllers = readFileSync(enabled, "utf8").trim().split(" ");
    for (const controller of ["cpu", "memory"]) {
      if (!controllers.includes(controller)) writeFileSync(enabled, `+${controller}`);
    }
    writeFileSync(join(cpu, "cpu.max"), `${quotaUs} ${periodUs}`);
    writeFileSync(join(memory, "memory.max"), String(limits.memoryBytes));
  } else {
    writeFileSync(join(cpu, "cpu.cfs_period_us"), String(periodUs));
    writeFileSync(join(cpu, "cpu.cfs_quota_us"), String(quotaUs));
    writeFileSync(join(memory, "memory.limit_in_bytes"), String(limits.memoryBytes));
  }
}

/** Kills processes that a stack left behind; the group contains no others. */
function killAll(folder: string): void {
  const pids = readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n").filter(Boolean);
  for (const pid of pids) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has just ended.
    }
  }
}

function removeEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return !existsSync(folder);
  }
}
