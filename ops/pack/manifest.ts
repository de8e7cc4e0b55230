import { posix } from "node:path";
import { type Manifest, type Package, packages } from "./packages.ts";

/**
 * Builds the package.json of a package that is published: `exports` and `bin` name built files, and `catalog:` and
 * `workspace:` are replaced by versions.
 * @param repository address of the repository
 */
export function toPublished(
  { folder, sources, manifest, engines }: Package,
  catalog: Readonly<Record<string, string>>,
  repository: string | undefined,
) {
  const { name, version, description, exports, bin } = manifest;
  const toBuilt = (target: string, extension: string) => {
    const path = posix.relative(sources, posix.join(folder, target));
    return `./dist/${path.replace(/\.ts$/, extension)}`;
  };
  const toExport = (target: string) => ({
    types: toBuilt(target, ".d.ts"),
    default: toBuilt(target, ".js"),
  });
  const mapDependencies = (kind: "dependencies" | "devDependencies" | "peerDependencies") =>
    manifest[kind] && {
      [kind]: Object.fromEntries(
        Object.entries(manifest[kind]).map(([to, range]) => [to, toVersion(to, range, catalog)]),
      ),
    };
  const exported = typeof exports === "string" ? { ".": exports } : exports;
  return {
    name,
    version,
    description,
    license: "MIT",
    ...(repository !== undefined && {
      repository: { type: "git", url: `git+${repository}.git`, directory: folder },
    }),
    type: "module",
    engines,
    files: ["dist"],
    exports: {
      ...mapValues(exported ?? {}, toExport),
      "./package.json": "./package.json",
    },
    ...(bin && { bin: mapValues(bin, (target) => toBuilt(target, ".js")) }),
    ...mapDependencies("dependencies"),
    ...mapDependencies("peerDependencies"),
    ...(manifest.peerDependenciesMeta && { peerDependenciesMeta: manifest.peerDependenciesMeta }),
    // `toril init` reads the versions of what a new project needs.
    ...(name === "toril" && mapDependencies("devDependencies")),
  };
}

function toVersion(name: string, range: string, catalog: Readonly<Record<string, string>>) {
  const version = range.startsWith("workspace:")
    ? packages.find(({ manifest }) => manifest.name === name)?.manifest.version
    : range === "catalog:"
      ? catalog[name]
      : range;
  if (version === undefined) throw new Error(`${name} has no version for ${range}`);
  return version;
}

function mapValues<Value, Mapped>(values: Record<string, Value>, map: (value: Value) => Mapped) {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value)]));
}

/** @throws if packages have different versions: they are published together */
export function checkVersions(project: Pick<Manifest, "version">): void {
  for (const { manifest } of packages) {
    if (manifest.version !== project.version) {
      throw new Error(`${manifest.name} has version ${manifest.version}, not ${project.version}`);
    }
  }
}
