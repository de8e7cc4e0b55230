import { readMigrationStatus } from "@toril/contract/engine/postgres/pending-migrations";
import type { Sql } from "postgres";
import { checkClock, type Finding } from "./finding.ts";

interface Server {
  versionNumber: number;
  synchronousCommit: string;
  fsync: string;
  fullPageWrites: string;
  isReadOnly: boolean;
  isReplica: boolean;
  maxConnections: number;
  usedConnections: number;
  keepalivesIdle: number;
  /** Seconds for which the oldest open transaction has been idle; null without one. */
  idleSeconds: number | null;
}

/** A producer holds up to 19 connections, a consumer fewer. */
const neededConnections = 20;
const minVersion = 14;
const maxIdleSeconds = 300;

/** Checks version, durability, connections, clock and schema of Postgres. Throws if Postgres is unavailable. */
export async function checkPostgres(sql: Sql): Promise<Finding[]> {
  const server = await readServer(sql);
  return [
    ...checkServer(server),
    ...checkDurability(server),
    ...checkConnections(server),
    ...(await checkClock("Postgres", async () => {
      const [now] = await sql<{ at: Date }[]>`select clock_timestamp() as at`;
      return now?.at.getTime() ?? 0;
    })),
    ...(await checkSchema(sql)),
  ];
}

async function readServer(sql: Sql): Promise<Server> {
  const [server] = await sql<Server[]>`
    select current_setting('server_version_num')::int as "versionNumber",
      current_setting('synchronous_commit') as "synchronousCommit",
      current_setting('fsync') as fsync,
      current_setting('full_page_writes') as "fullPageWrites",
      current_setting('transaction_read_only') = 'on' as "isReadOnly",
      pg_is_in_recovery() as "isReplica",
      current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int as "maxConnections",
      (select count(*)::int from pg_stat_activity where backend_type = 'client backend')
        as "usedConnections",
      (select setting::int from pg_settings where name = 'tcp_keepalives_idle') as "keepalivesIdle",
      (select extract(epoch from now() - min(state_change))::int from pg_stat_activity
        where state like 'idle in transaction%') as "idleSeconds"`;
  if (server === undefined) throw new Error("Postgres returned no row");
  return server;
}

function checkServer(server: Server): Finding[] {
  const findings: Finding[] = [];
  const major = Math.floor(server.versionNumber / 10_000);
  if (major < minVersion) {
    findings.push({
      check: "postgres-version",
      severity: "error",
      problem: `Postgres ${major} is too old`,
      remedy: `Upgrade to Postgres ${minVersion} or newer`,
    });
  }
  if (server.isReplica || server.isReadOnly) {
    findings.push({
      check: "postgres-read-only",
      severity: "error",
      problem: server.isReplica
        ? "This Postgres is a standby: no job can be recorded"
        : "Transactions are read-only (default_transaction_read_only): no job can be recorded",
      remedy: server.isReplica
        ? "Use the address of the primary in DATABASE_URL"
        : "Remove `default_transaction_read_only` from the server, the database and the user",
    });
  }
  return findings;
}

function checkDurability(server: Server): Finding[] {
  const findings: Finding[] = [];
  if (!["on", "remote_write", "remote_apply"].includes(server.synchronousCommit)) {
    findings.push({
      check: "postgres-synchronous-commit",
      severity: "error",
      problem: `synchronous_commit is ${server.synchronousCommit}: accepted jobs can be lost in a crash or a failover`,
      remedy:
        "Set `synchronous_commit = on`; look for overrides with ALTER DATABASE and ALTER ROLE, too",
    });
  }
  if (server.fsync !== "on") {
    findings.push({
      check: "postgres-fsync",
      severity: "error",
      problem: "fsync is off: a crash of the machine can destroy the whole database",
      remedy: "Set `fsync = on` in postgresql.conf and reload",
    });
  }
  if (server.fullPageWrites !== "on") {
    findings.push({
      check: "postgres-full-page-writes",
      severity: "error",
      problem: "full_page_writes is off: a crash of the machine can corrupt tables",
      remedy: "Set `full_page_writes = on` in postgresql.conf and reload",
    });
  }
  return findings;
}

function checkConnections(server: Server): Finding[] {
  const findings: Finding[] = [];
  const free = server.maxConnections - server.usedConnections;
  if (free < neededConnections) {
    findings.push({
      check: "postgres-connections",
      severity: "warning",
      problem: `${Math.max(0, free)} of ${server.maxConnections} connections are free: another producer may need ${neededConnections - 1}`,
      remedy: "Raise `max_connections`, or put a session pool in front (pool_mode = session)",
    });
  }
  if (server.keepalivesIdle === 0 || server.keepalivesIdle > 600) {
    findings.push({
      check: "postgres-keepalives",
      severity: "warning",
      problem: `tcp_keepalives_idle is ${server.keepalivesIdle} s: the reconciler's lock of a dead host is held for hours`,
      remedy:
        "Set `tcp_keepalives_idle = 10`, `tcp_keepalives_interval = 5`, `tcp_keepalives_count = 3`",
    });
  }
  if (server.idleSeconds !== null && server.idleSeconds > maxIdleSeconds) {
    findings.push({
      check: "postgres-idle-transaction",
      severity: "warning",
      problem: `A transaction has been idle for ${server.idleSeconds} s: it holds locks and stops vacuum`,
      remedy:
        "End it (pg_stat_activity, pg_terminate_backend), and set `idle_in_transaction_session_timeout`",
    });
  }
  return findings;
}

async function checkSchema(sql: Sql): Promise<Finding[]> {
  const { pending, newer } = await readMigrationStatus(sql);
  const findings: Finding[] = [];
  if (pending.length > 0) {
    findings.push({
      check: "migrations",
      severity: "error",
      problem: `The database lacks ${pending.length} migrations, the first is ${pending[0]}`,
      remedy: "Run `bun run migrate`",
    });
  }
  if (newer > 0) {
    findings.push({
      check: "schema-version",
      severity: "error",
      problem: `The database has ${newer} migrations of a newer version of Toril`,
      remedy: "Upgrade producers, consumers and this command to the newest version",
    });
  }
  const invalid = await sql<{ name: string }[]>`
    select indexrelid::regclass::text as name from pg_index
    where not indisvalid and indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)`;
  for (const { name } of invalid) {
    findings.push({
      check: "invalid-index",
      severity: "warning",
      problem: `The index ${name} is invalid: its build was interrupted`,
      remedy: `Run \`drop index concurrently ${name}\` and \`bun run migrate\`, or \`reindex index concurrently ${name}\``,
    });
  }
  return findings;
}
