import { readdirSync } from "node:fs";
import { join } from "node:path";

import { identify } from "../../ops/dev/process-table.ts";

const pattern = /^toril-k6-(\d+)$/;

/** What a run calls its folders; no other run of this moment has it. */
export const groupName = `toril-k6-${process.pid}`;

/** Folders in `parent` of runs that were killed before they could remove them. */
export function listStaleFolders(parent: string): string[] {
  return readdirSync(parent)
    .filter((name) => {
      const pid = pattern.exec(name)?.[1];
      return pid !== undefined && identify(Number(pid)) === undefined;
    })
    .map((name) => join(parent, name));
}
