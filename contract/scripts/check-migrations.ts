import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const scratch = mkdtempSync(join(tmpdir(), "toril-migrations-"));
try {
  cpSync(join(root, "src/engine/postgres/migrations"), scratch, { recursive: true });
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
  if (readdirSync(scratch).length !== before) {
    console.error("tables.ts has no migration yet: run `bun run generate`");
    process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true });
}
