import { createInterface } from "node:readline/promises";

import { UserError } from "../user-error.ts";

interface DatabaseUse {
  databaseUrl: string;
  demo: boolean;
  signal: AbortSignal;
}

/** Asks for confirmation before an existing database is changed. Throws a UserError if it is denied, or without a terminal. */
export async function confirmDatabase({ databaseUrl, demo, signal }: DatabaseUse): Promise<void> {
  const work = demo ? "Migrate it and import the demo's rows" : "Migrate it";
  const what = `DATABASE_URL names ${describe(databaseUrl)}.`;
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new UserError(
      `${what} ${work}? Without a terminal, confirm with --yes, or unset DATABASE_URL.`,
    );
  }
  using terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${what}\n${work}? [y/N] `, { signal });
  if (!/^y(es)?$/i.test(answer.trim())) throw new UserError("Nothing was changed.");
}

/** Describes the database without its password. */
function describe(databaseUrl: string): string {
  try {
    const { host, pathname } = new URL(databaseUrl);
    return `the database ${decodeURIComponent(pathname.slice(1)) || "of your user"} at ${host}`;
  } catch {
    return "a database";
  }
}
