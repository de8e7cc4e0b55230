import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { join } from "node:path";

import { peerVersions } from "../peers.ts";
import type { Stores } from "../stores.ts";

export function describeMachine(): Record<string, string> {
  return {
    CPU: `${availableParallelism()} cores, ${cpus()[0]?.model ?? "unknown"}`,
    memory: `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    system: `Linux ${release()}`,
  };
}

export async function readVersions(
  root: string,
  { redis, sql }: Stores,
): Promise<Record<string, string>> {
  const [row] = (await sql`show server_version`) as { server_version: string }[];
  return {
    Bun: Bun.version,
    Node: output(join(root, "node_modules/.bin/node"), ["--version"]).replace("v", ""),
    Redis: /redis_version:(\S+)/.exec(await redis.info("server"))?.[1] ?? "unknown",
    Postgres: row?.server_version ?? "unknown",
    BullMQ: packageVersion(root, "bullmq"),
    Hono: packageVersion(root, "hono"),
    Express: packageVersion(root, "express"),
    ...peerVersions,
  };
}

function packageVersion(root: string, name: string): string {
  const text = readFileSync(join(root, "loadtest/node_modules", name, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

export function readCommit(root: string): string {
  const commit = output("git", ["-C", root, "rev-parse", "--short", "HEAD"]);
  const isChanged = output("git", ["-C", root, "status", "--porcelain", "-uno"]) !== "";
  return isChanged ? `${commit} with changes` : commit;
}

function output(command: string, args: string[]): string {
  return spawnSync(command, args, { encoding: "utf8" }).stdout.trim();
}
