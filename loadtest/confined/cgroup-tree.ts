import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface Mount {
  /** Mounted directory of the hierarchy. */
  root: string;
  point: string;
  type: string;
  options: readonly string[];
}

/** Position of a process in the control group hierarchy. */
export interface CgroupTree {
  /** Its directory in version 2, if the controllers for CPU and memory are available. */
  unified(pid?: number): string | undefined;
  /** Directory of this process for a controller of version 1. */
  legacy(controller: string): string | undefined;
}

export function readCgroupTree(): CgroupTree {
  const mounts = read("/proc/self/mountinfo").map(toMount);
  const unified = mounts.find(({ type, point }) => type === "cgroup2" && hasControllers(point));
  return {
    unified: (pid) => unified && findFolder(unified, findPath("", pid)),
    legacy(controller) {
      const mount = mounts.find(
        ({ type, options }) => type === "cgroup" && options.includes(controller),
      );
      return mount && findFolder(mount, findPath(controller));
    },
  };
}

/** `36 25 0:31 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu` */
function toMount(line: string): Mount {
  const [before = "", after = ""] = line.split(" - ");
  const [, , , root = "/", point = ""] = before.split(" ");
  const [type = "", , options = ""] = after.split(" ");
  return { root, point, type, options: options.split(",") };
}

function hasControllers(point: string): boolean {
  const controllers = read(join(point, "cgroup.controllers")).join(" ").split(" ");
  return controllers.includes("cpu") && controllers.includes("memory");
}

/** `4:memory:/some/group`; the line of version 2 is `0::/some/group`. */
function findPath(controller: string, pid?: number): string | undefined {
  const lines = read(`/proc/${pid ?? "self"}/cgroup`).map((line) => line.split(":"));
  return lines.find(([, names = ""]) => names.split(",").includes(controller))?.[2];
}

function findFolder({ root, point }: Mount, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const below = root !== "/" && path.startsWith(root) ? path.slice(root.length) : path;
  const folder = join(point, below);
  return existsSync(folder) ? folder : undefined;
}

function read(path: string): string[] {
  try {
    return readFileSync(path, "utf8").trim().split("\n");
  } catch {
    return [];
  }
}
