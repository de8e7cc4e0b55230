import type { Readiness } from "@toril/contract/api/http/health";
import type { Ledger } from "@toril/contract/engine/postgres/pool";

export interface ReadinessDeps {
  ledger: Ledger;
  /** Writes a probe to Redis. */
  writeRedis(): Promise<unknown>;
  isDraining(): boolean;
}

export function createReadiness({ ledger, writeRedis, isDraining }: ReadinessDeps) {
  return async function readiness(): Promise<Readiness> {
    const [postgres, redis] = await Promise.all([
      // Assigning a transaction id forces a real commit with a WAL record; a read-only replica refuses it.
      probe(() => ledger.run((sql) => sql`select pg_current_xact_id()`)),
      probe(writeRedis),
    ]);
    const status = isDraining()
      ? "draining"
      : postgres === "unavailable"
        ? "unavailable"
        : redis === "unavailable"
          ? "degraded"
          : "ok";
    return { status, postgres, redis };
  };
}

async function probe(check: () => Promise<unknown>): Promise<"ok" | "unavailable"> {
  try {
    await check();
    return "ok";
  } catch {
    return "unavailable";
  }
}
