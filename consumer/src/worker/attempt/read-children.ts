import { lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { readChildResults } from "@toril/contract/engine/jobs/graph/read-children";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { ChildJob } from "../handler.ts";

const page = { limit: 500, maxBytes: 4_000_000 };

/** Creates the function that reads the children of a job in pages, so that few results are in memory at once. */
export function createReadChildren(ledger: Ledger) {
  return async function* readChildren(parent: string): AsyncGenerator<ChildJob> {
    for (let after = lowestId; ;) {
      const children = await ledger.run((sql) => readChildResults(sql, parent, { after, ...page }));
      yield* children;
      const last = children.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  };
}
