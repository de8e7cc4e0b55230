import { join } from "node:path";

import type { Program } from "../dev/processes/start-app.ts";
import { findBundled, root } from "./_stack.ts";

/** `bun run toril`, of the sources. */
export const torilSources: Program = {
  command: join(root, "node_modules/.bin/bun"),
  args: ["run", "toril"],
};

const torilProgram = findBundled("bun", "producer/toril.js") ?? torilSources;

/** Runs the command line of the image, or another one, as a process. */
export async function toril(
  args: string,
  env: Record<string, string> = {},
  program: Program = torilProgram,
) {
  const words = args.split(" ").filter(Boolean);
  const child = Bun.spawn([program.command, ...program.args, ...words], {
    cwd: root,
    // Without the profiles of the developer.
    env: { PATH: process.env["PATH"], XDG_CONFIG_HOME: "/nonexistent", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [code, output, errors] = await Promise.all([
    child.exited,
    child.stdout.text(),
    child.stderr.text(),
  ]);
  return { code, output, errors, lastLine: output.trimEnd().split("\n").at(-1) ?? "" };
}
