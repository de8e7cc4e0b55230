import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";

/** Oldest Node that runs consumers. */
export const oldestNode = 24;

const isBun = "bun" in process.versions;

/** Finds Bun, which runs everything except consumers: this process, the package `bun`, or the PATH. */
export function findBun(): string | undefined {
  if (isBun) return process.execPath;
  return [...findPackagedBun(), "bun"].find((path) => getMajor(path) !== undefined);
}

/** Finds Node 24 or newer, which runs consumers: this process, the package `node` of the project, or the PATH. */
export function findNode(directory: string): string | undefined {
  const candidates = [...(isBun ? [] : [process.execPath]), ...findOnPath("node")];
  return [...findPackagedNode(directory), ...candidates].find(
    (path) => (getMajor(path) ?? 0) >= oldestNode,
  );
}

/** The binary of the package, or that of the platform, if no install script may run. */
function findPackagedBun(): string[] {
  const manifest = tryResolve(import.meta.url, "bun/package.json");
  if (manifest === undefined) return [];
  const platform = `${process.platform}-${process.arch === "arm64" ? "aarch64" : process.arch}`;
  const names = ["", "-baseline", "-musl", "-musl-baseline"].map(
    (variant) => `@oven/bun-${platform}${variant}/bin/bun`,
  );
  const binaries = names.map((name) => tryResolve(manifest, name));
  return [join(dirname(manifest), "bin/bun.exe"), ...binaries].filter((path) => path !== undefined);
}

function findPackagedNode(directory: string): string[] {
  const manifest = tryResolve(join(directory, "package.json"), "node/package.json");
  return manifest === undefined ? [] : [join(dirname(manifest), "bin/node")];
}

/** A package manager puts its own folders first, in which `node` may be another version. */
function findOnPath(name: string): string[] {
  return (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name));
}

function tryResolve(from: string, name: string): string | undefined {
  try {
    return createRequire(from).resolve(name);
  } catch {
    return undefined;
  }
}

function getMajor(path: string): number | undefined {
  const { status, stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
  return status === 0 ? Number(/^v?(\d+)/.exec(stdout)?.[1]) : undefined;
}
