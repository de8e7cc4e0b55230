import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import versions from "./peers.json" with { type: "json" };

export type PeerName = keyof typeof versions;

export const peerVersions: Readonly<Record<PeerName, string>> = versions;

/**
 * Installs the peers' packages into a cache outside the dependency tree, once per set of versions. Returns the folder
 * that contains their `node_modules`.
 */
export function installPeers(root: string): string {
  const text = JSON.stringify({ name: "toril-bench-peers", private: true, dependencies: versions });
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  const dir = join(root, ".toril/bench", `peers-${hash}`);
  if (existsSync(dir)) return dir;
  console.error("installing pg-boss, bunqueue and graphile-worker (once) ...");
  const unfinished = `${dir}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  writeFileSync(join(unfinished, "package.json"), text);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["install", "--ignore-scripts", "--linker=hoisted"],
    { cwd: unfinished, encoding: "utf8" },
  );
  if (status !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    throw new Error(`installing the peers failed:\n${stdout}${stderr}`);
  }
  renameSync(unfinished, dir);
  return dir;
}
