import { join } from "node:path";

import { root } from "./_stack.ts";

/** Runs `bun run toril ...args` as a process. */
export async function toril(args: string, env: Record<string, string> = {}) {
  const words = args.split(" ").filter(Boolean);
  const child = Bun.spawn([join(root, "node_modules/.bin/bun"), "run", "toril", ...words], {
    cwd: root,
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [code, output, errors] = await Promise.all([
    child.exited,
    child.stdout.text(),
    child.stderr.text(),
  ]);
  return { code, output, errors, lastLine: output.trimEnd().split("\n").at(-1) ?? "" };
}
