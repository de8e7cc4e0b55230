import type { Sql } from "postgres";
import { isTransient } from "@toril/contract/engine/postgres/errors";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import { ProblemError } from "../http/problem.ts";

/** Reads for requests. Tenants take turns; a read that is refused or late becomes a 503 that the client may retry. */
export interface Reads {
  run<Result>(tenant: string, work: (sql: Sql) => Promise<Result>): Promise<Result>;
}

export function createReads(ledger: Pick<Ledger, "run">): Reads {
  return {
    async run(tenant, work) {
      try {
        return await ledger.run(work, { tenant });
      } catch (error) {
        if (!isTransient(error)) throw error;
        throw new ProblemError(
          "at-capacity",
          "The read took too long, or too many reads were waiting. Try again.",
        );
      }
    },
  };
}
