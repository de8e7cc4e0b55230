import { z } from "zod";

const Names = z.record(z.string(), z.string()).default({});

const Manifest = z.looseObject({
  dependencies: Names,
  devDependencies: Names,
  optionalDependencies: Names,
  peerDependencies: Names,
  optionalPeers: z.array(z.string()).default([]),
});

/** bun.lock, reduced to the fields that are read; the last element of a package's entry is its hash. */
const Lock = z.looseObject({
  workspaces: z.record(z.string(), Manifest),
  packages: z.record(z.string(), z.array(z.unknown()).min(1)),
});

export interface LockedPackage {
  name: string;
  version: string;
  /** Hexadecimal. */
  sha512: string | undefined;
  /** Paths in the lock file. */
  dependencies: readonly string[];
  /** Whether a workspace depends on it. */
  isDirect: boolean;
  /** Whether it is needed at run time. */
  isShipped: boolean;
}

/** Workspaces that run in production; `ops` and `loadtest` are development tools. */
const shipped = new Set(["contract", "producer", "consumer"]);

/** Returns packages by their path in bun.lock: `name`, or `parent/name` if the parent has its own version. */
export function readLock(text: unknown): Map<string, LockedPackage> {
  const { workspaces, packages } = Lock.parse(text);
  const found = new Map<string, LockedPackage>();
  const manifests = new Map<string, z.infer<typeof Manifest>>();
  for (const [path, entry] of Object.entries(packages)) {
    const [id, , manifest] = entry;
    const [, name, version] = /^(@?[^@]+)@(.+)$/.exec(String(id)) ?? [];
    if (name === undefined || version === undefined || version.startsWith("workspace:")) continue;
    manifests.set(path, Manifest.parse(manifest ?? {}));
    const sha512 = parseSha512(entry.at(-1));
    const rest = { dependencies: [], isDirect: false, isShipped: false };
    found.set(path, { name, version, sha512, ...rest });
  }

  /** Resolves like Node: in the package's own folder, then in the parent folders. */
  function resolve(from: string, name: string): string | undefined {
    const above = from.split("/");
    for (let depth = above.length; depth >= 0; depth -= 1) {
      const path = [...above.slice(0, depth), name].join("/");
      if (found.has(path)) return path;
    }
    return undefined;
  }

  for (const [path, manifest] of manifests) {
    const { dependencies, optionalDependencies, peerDependencies, optionalPeers } = manifest;
    const peers = Object.keys(peerDependencies).filter((name) => !optionalPeers.includes(name));
    const names = [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers];
    const own = found.get(path);
    if (own !== undefined) own.dependencies = names.flatMap((name) => resolve(path, name) ?? []);
  }

  function ship(path: string) {
    const one = found.get(path);
    if (one === undefined || one.isShipped) return;
    one.isShipped = true;
    one.dependencies.forEach(ship);
  }

  for (const [workspace, { dependencies, devDependencies }] of Object.entries(workspaces)) {
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
      const path = resolve(`@toril/${workspace}`, name);
      const one = path === undefined ? undefined : found.get(path);
      if (one === undefined || path === undefined) continue;
      one.isDirect = true;
      if (shipped.has(workspace) && name in dependencies) ship(path);
    }
  }
  return found;
}

function parseSha512(integrity: unknown): string | undefined {
  const [, base64] = /^sha512-(.+)$/.exec(String(integrity)) ?? [];
  return base64 === undefined ? undefined : Buffer.from(base64, "base64").toString("hex");
}
