import { readFileSync } from "node:fs";

interface Manifest {
  version: string;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
}

/** Whether this is the source tree, and not the package. */
const isSource = import.meta.url.endsWith(".ts");

/** Reads the package.json of the command line. */
export function readManifest(): Manifest {
  const url = new URL(isSource ? "../package.json" : "../../../package.json", import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as Manifest;
}

/** Returns the version of a package that this one was tested with. */
export function getVersion(name: string): string {
  const { dependencies, devDependencies, peerDependencies } = readManifest();
  const range = { ...devDependencies, ...peerDependencies, ...dependencies }[name];
  return range === undefined || range === "catalog:" ? findInRepository(name) : range;
}

/** In the source tree, versions are those of the repository. */
function findInRepository(name: string): string {
  const read = (path: string) =>
    JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as {
      workspaces?: { catalog: Record<string, string> };
      devDependencies: Record<string, string>;
      dependencies?: Record<string, string>;
    };
  const root = read("../../../package.json");
  const ops = read("../../package.json");
  const versions = { ...root.devDependencies, ...ops.dependencies, ...root.workspaces?.catalog };
  const version = versions[name];
  if (version === undefined) throw new Error(`${name} has no version`);
  return version;
}
