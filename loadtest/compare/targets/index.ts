import { bunqueue } from "./bunqueue.ts";
import { express, hono, honoRow } from "./bullmq.ts";
import { graphileWorker } from "./graphile-worker.ts";
import { pgBoss } from "./pg-boss.ts";
import type { TargetDefinition } from "./target.ts";
import { toril, torilPull } from "./toril.ts";

export const targets = {
  toril,
  "toril-pull": torilPull,
  hono,
  "hono-row": honoRow,
  express,
  "pg-boss": pgBoss,
  bunqueue,
  "graphile-worker": graphileWorker,
} satisfies Record<string, TargetDefinition>;

export type TargetName = keyof typeof targets;

export const targetNames = Object.keys(targets) as TargetName[];

export function getTarget(name: TargetName): TargetDefinition {
  return targets[name];
}
