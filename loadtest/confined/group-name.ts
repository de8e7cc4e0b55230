import { readdirSync } from "node:fs";
import { join } from "node:path";

import { identify } from "../../ops/dev/processes/process-table.ts";

const pattern = /^toril-k6-(\d+)$/;

/** Unique name of this run's directories. */
export const groupName = `toril-k6-${process.pid}`;

/** Lists directories in `parent` that killed runs left behind. */
export function listStaleFolders(parent: string): string[] {
  return readdirSync(parent)
    .filter((name) => {
      const pid = pattern.exec(name)?.[1];
      return pid !== undefined && identify(Number(pid)) === undefined;
    })
    .map((name) => join(parent, name));
}
