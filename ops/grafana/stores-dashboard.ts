import { type Dashboard, graph, query } from "./panels.ts";

const perSecond = "[$__rate_interval]";

/** Redis and Postgres. */
export const stores: Dashboard = {
  uid: "toril-stores",
  title: "Toril: Redis and Postgres",
  rows: [
    {
      title: "Redis",
      panels: [
        graph(
          "Memory",
          "bytes",
          query("redis_memory_used_bytes", "used {{instance}}"),
          query("redis_memory_max_bytes", "maxmemory {{instance}}"),
        ),
        graph(
          "Commands",
          "ops",
          query(`rate(redis_commands_processed_total${perSecond})`, "{{instance}}"),
        ),
        graph(
          "Clients",
          "short",
          query("redis_connected_clients", "connected"),
          query("redis_blocked_clients", "blocked: idle workers"),
        ),
      ],
    },
    {
      title: "Redis health",
      panels: [
        graph(
          "Evicted keys",
          "ops",
          query(`rate(redis_evicted_keys_total${perSecond})`, "{{instance}}"),
        ),
        graph(
          "Persistence (1: ok)",
          "short",
          query("redis_rdb_last_bgsave_status", "save"),
          query("redis_aof_last_write_status", "append"),
          query("redis_aof_last_bgrewrite_status", "rewrite"),
        ),
        graph(
          "Replication lag",
          "s",
          query("redis_connected_slave_lag_seconds", "redis {{slave_ip}}"),
          query("pg_replication_lag_seconds", "postgres {{instance}}"),
        ),
      ],
    },
    {
      title: "Postgres",
      panels: [
        graph(
          "Commits and rollbacks",
          "ops",
          query(
            `sum by (datname) (rate(pg_stat_database_xact_commit${perSecond})) > 0`,
            "commits {{datname}}",
          ),
          query(
            `sum by (datname) (rate(pg_stat_database_xact_rollback${perSecond})) > 0`,
            "rollbacks {{datname}}",
          ),
        ),
        graph(
          "Connections",
          "short",
          query("sum by (state) (pg_stat_activity_count)", "{{state}}"),
          query("max(pg_settings_max_connections)", "max_connections"),
        ),
        graph("Size", "bytes", query("pg_database_size_bytes", "{{datname}}")),
      ],
    },
  ],
};
