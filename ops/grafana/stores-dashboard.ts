import type { Dashboard } from "./panels.ts";

const perSecond = "[$__rate_interval]";

/** Redis and Postgres. */
export const stores: Dashboard = {
  uid: "toril-stores",
  title: "Toril: Redis and Postgres",
  rows: [
    {
      title: "Redis",
      panels: [
        {
          title: "Memory",
          unit: "bytes",
          queries: [
            { expr: "redis_memory_used_bytes", legend: "used {{instance}}" },
            { expr: "redis_memory_max_bytes", legend: "maxmemory {{instance}}" },
          ],
        },
        {
          title: "Commands",
          unit: "ops",
          queries: [
            {
              expr: `rate(redis_commands_processed_total${perSecond})`,
              legend: "{{instance}}",
            },
          ],
        },
        {
          title: "Clients",
          unit: "short",
          queries: [
            { expr: "redis_connected_clients", legend: "connected" },
            { expr: "redis_blocked_clients", legend: "blocked: idle workers" },
          ],
        },
      ],
    },
    {
      title: "Redis health",
      panels: [
        {
          title: "Evicted keys",
          unit: "ops",
          queries: [{ expr: `rate(redis_evicted_keys_total${perSecond})`, legend: "{{instance}}" }],
        },
        {
          title: "Persistence (1: ok)",
          unit: "short",
          queries: [
            { expr: "redis_rdb_last_bgsave_status", legend: "save" },
            { expr: "redis_aof_last_write_status", legend: "append" },
            { expr: "redis_aof_last_bgrewrite_status", legend: "rewrite" },
          ],
        },
        {
          title: "Replication lag",
          unit: "s",
          queries: [
            { expr: "redis_connected_slave_lag_seconds", legend: "redis {{slave_ip}}" },
            { expr: "pg_replication_lag_seconds", legend: "postgres {{instance}}" },
          ],
        },
      ],
    },
    {
      title: "Postgres",
      panels: [
        {
          title: "Commits and rollbacks",
          unit: "ops",
          queries: [
            {
              expr: `sum by (datname) (rate(pg_stat_database_xact_commit${perSecond})) > 0`,
              legend: "commits {{datname}}",
            },
            {
              expr: `sum by (datname) (rate(pg_stat_database_xact_rollback${perSecond})) > 0`,
              legend: "rollbacks {{datname}}",
            },
          ],
        },
        {
          title: "Connections",
          unit: "short",
          queries: [
            { expr: "sum by (state) (pg_stat_activity_count)", legend: "{{state}}" },
            { expr: "max(pg_settings_max_connections)", legend: "max_connections" },
          ],
        },
        {
          title: "Size",
          unit: "bytes",
          queries: [{ expr: "pg_database_size_bytes", legend: "{{datname}}" }],
        },
      ],
    },
  ],
};
