import { lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { readChildCounts, readChildResults } from "@toril/contract/engine/jobs/graph/read-children";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { ContextDeps } from "./context.ts";

const page = { limit: 500, maxBytes: 4_000_000 };

/** Creates the reader of the jobs for which a job waited, in pages, so that few results are in memory at once. */
export function createChildReader(ledger: Ledger): ContextDeps["childReader"] {
  return {
    async *read(parent) {
      for (let after = lowestId; ;) {
        const children = await ledger.run((sql) =>
          readChildResults(sql, parent, { after, ...page }),
        );
        yield* children;
        const last = children.at(-1);
        if (last === undefined) return;
        after = last.id;
      }
    },
    count: (parent) => ledger.run((sql) => readChildCounts(sql, parent)),
  };
}
