import { findJobType } from "@toril/contract/jobs";
import { redactData } from "@toril/contract/secret/secret-data";
import type { JobRow } from "./read-jobs.ts";

/** Without its secrets. */
export function shownData({ type, data }: Pick<JobRow, "type" | "data">): unknown {
  const findSecrets = findJobType(type)?.findSecrets;
  return findSecrets === undefined ? data : redactData(data, findSecrets);
}
