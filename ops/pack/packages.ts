import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

/** The fields of a package.json that are read here. */
export interface Manifest {
  name: string;
  version: string;
  description: string;
  exports?: string | Record<string, string>;
  bin?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional: boolean }>;
}

/** A package that is published. All are built from the sources by one run of the compiler. */
export interface Package {
  /** Folder of package.json and README.md. */
  folder: string;
  /** Folder of the sources, whose files keep their place within `dist`. */
  sources: string;
  manifest: Manifest;
  /** Sources that are loaded without an import: worker threads, and what another runtime runs. */
  threads: readonly string[];
  /** Oldest version of each runtime. */
  engines: Record<string, string>;
  readme: string;
}

export const packages: readonly Package[] = [
  describe("contract/client", "contract/client/src", { node: ">=20" }, "docs/client.md"),
  describe("contract", "contract/src", { node: ">=20" }, "contract/README.md", [
    "contract/src/engine/feeds/feed-thread.ts",
  ]),
  // Node has no server for it.
  describe("producer", "producer/src", { bun: ">=1.3", deno: ">=2" }, "producer/README.md", [
    "producer/src/imports/formats/xlsx/xlsx-thread.ts",
  ]),
  // AsyncDisposableStack.
  describe("consumer", "consumer/src", { node: ">=24" }, "consumer/README.md", [
    "consumer/src/sandbox-host.ts",
    "consumer/src/sandbox-thread.ts",
  ]),
  // Consumers need Node 24; everything else of the command line runs on Bun, which it depends on.
  describe("ops/cli", "ops", { node: ">=20" }, "ops/cli/README.md", ["ops/cli/main.ts"]),
];

function describe(
  folder: string,
  sources: string,
  engines: Record<string, string>,
  readme: string,
  threads: readonly string[] = [],
): Package {
  const text = readFileSync(join(root, folder, "package.json"), "utf8");
  const manifest = JSON.parse(text) as Manifest;
  return { folder, sources, engines, readme, threads, manifest };
}

/** Returns the sources that a package exports or runs, as paths from the root. */
export function getEntries({ folder, manifest, threads }: Package): string[] {
  const { exports = {}, bin = {} } = manifest;
  const targets = typeof exports === "string" ? [exports] : Object.values(exports);
  return [...targets, ...Object.values(bin)]
    .flatMap((target) => globSync(join(folder, target), { cwd: root }))
    .filter((path) => !path.endsWith(".test.ts"))
    .concat(threads);
}
