import { spawnSync } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const migrations = join(root, "src/engine/postgres/migrations");

/** Whether drizzle would generate another migration for tables.ts. */
function isMigrationMissing(): boolean {
  const scratch = mkdtempSync(join(tmpdir(), "toril-migrations-"));
  try {
    cpSync(migrations, scratch, { recursive: true });
    const before = readdirSync(scratch).length;
    const { status, stderr } = spawnSync(
      join(root, "node_modules/.bin/drizzle-kit"),
      [
        "generate",
        "--dialect=postgresql",
        "--casing=snake_case",
        "--schema=./src/engine/postgres/tables.ts",
        `--out=${scratch}`,
      ],
      { cwd: root, encoding: "utf8" },
    );
    if (status !== 0) throw new Error(stderr);
    return readdirSync(scratch).length !== before;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

interface Snapshot {
  tables: Record<string, { name: string; columns: Record<string, unknown> }>;
}

/** Finds the tables and columns that no statement names: statements still use the name before a rename. */
function findUnusedNames(): string[] {
  const snapshots = readdirSync(join(migrations, "meta")).filter((name) => /^\d/.test(name));
  const newest = snapshots.toSorted().at(-1) ?? "";
  const { tables } = JSON.parse(readFileSync(join(migrations, "meta", newest), "utf8")) as Snapshot;
  const files = globSync(join(root, "../{contract,producer,consumer}/src/**/*.ts"));
  const statements = files
    .filter((path) => !path.endsWith("postgres/tables.ts"))
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
  const words = new Set(statements.match(/\w+/g));
  return Object.values(tables).flatMap(({ name, columns }) =>
    [name, ...Object.keys(columns).map((column) => `${name}.${column}`)].filter(
      (path) => !words.has(path.split(".").at(-1) ?? ""),
    ),
  );
}

if (isMigrationMissing()) {
  console.error("tables.ts has no migration yet: run `bun run generate`");
  process.exitCode = 1;
}
const unused = findUnusedNames();
if (unused.length > 0) {
  console.error(`no statement names ${unused.join(", ")}`);
  process.exitCode = 1;
}
