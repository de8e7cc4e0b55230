import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import postgres from "postgres";

import { startChild, type OnSpawn } from "../processes/child.ts";
import { freePort } from "../processes/ports.ts";
import { findPostgres } from "./postgres-programs.ts";
import { type Service, toService } from "./redis.ts";
import { createRunner, type Runner } from "./unprivileged.ts";

export interface PostgresSettings {
  dir: string;
  port?: number;
  logFile?: string;
  /** Directory of a stopped server whose data a new server starts with, which is faster than initdb. */
  template?: string | undefined;
  /** Server parameters that are added to, or override, the ones below. */
  settings?: Readonly<Record<string, string>>;
  onSpawn?: OnSpawn | undefined;
  signal?: AbortSignal | undefined;
}

const user = "toril";
const database = "toril";

const serverParameters = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "100",
  // Otherwise the reconciler's lock outlives a dead host for hours.
  tcp_keepalives_idle: "10",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "3",
};

/** Starts a private Postgres on loopback, with an empty database if `dir` is new. fsync stays on. */
export async function startPostgres(options: PostgresSettings): Promise<Service> {
  const { dir, settings = {}, signal } = options;
  const programs = findPostgres();
  const data = join(dir, "data");
  mkdirSync(dir, { recursive: true });
  const runner = createRunner(data, [dir, programs.postgres]);
  if (!existsSync(data)) {
    if (options.template === undefined) initialize(programs.initdb, dir, runner);
    else copyCluster(options.template, dir);
  }

  const port = options.port ?? (await freePort());
  const parameters = Object.entries({ ...serverParameters, port: String(port), ...settings });
  const flags = parameters.flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = await startChild({
    name: "postgres",
    ...runner.command(programs.postgres, ["-D", data, ...flags]),
    env: postgresEnv(),
    logFile: options.logFile ?? join(dir, "postgres.log"),
    // Fast shutdown: open transactions are rolled back.
    stopSignal: "SIGINT",
    stopMs: 30_000,
    onSpawn: options.onSpawn,
  });
  const password = readFileSync(join(dir, "password"), "utf8").trim();
  const url = (name: string) => `postgres://${user}:${password}@127.0.0.1:${port}/${name}`;
  // After a crash, Postgres replays its WAL first.
  await child.ready(() => createDatabase(url("postgres")), { timeoutMs: 120_000, signal });
  return toService(child, { url: url(database), port });
}

/** Creates the cluster in a temporary directory and moves it into place when it is complete. */
function initialize(initdb: string, dir: string, runner: Runner): void {
  const unfinished = join(dir, "data.unfinished");
  const passwordFile = join(dir, "password");
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(passwordFile, { force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  writeFileSync(passwordFile, randomBytes(16).toString("hex"), { mode: 0o600 });
  for (const path of [unfinished, passwordFile]) runner.own(path);

  const flags = ["-D", unfinished, "-U", user, "--pwfile", passwordFile, "--auth=scram-sha-256"];
  const run = runner.command(initdb, [...flags, "--encoding=UTF8", "--locale=C"]);
  const { command, args, ...rest } = run;
  const result = spawnSync(command, args, { ...rest, env: postgresEnv(), encoding: "utf8" });
  if (result.status !== 0) throw new Error(`initdb failed:\n${result.stdout}${result.stderr}`);
  renameSync(unfinished, join(dir, "data"));
}

/** Copies the data directory, its owner included, and the password that belongs to it. */
function copyCluster(template: string, dir: string): void {
  for (const name of ["password", "data"]) {
    const { status, stderr } = spawnSync("cp", ["-a", join(template, name), join(dir, name)]);
    if (status !== 0) throw new Error(`copying ${template} failed: ${String(stderr)}`);
  }
}

/** Without PGDATA, PGPORT and similar variables, which are meant for another server. */
function postgresEnv(): NodeJS.ProcessEnv {
  return { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
}

async function createDatabase(url: string): Promise<true> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    const rows = await sql`select 1 from pg_database where datname = ${database}`;
    if (rows.length === 0) await sql`create database ${sql(database)}`;
    return true;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
