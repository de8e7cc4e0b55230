import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildConsole } from "../src/console/build-console.ts";

/** Writes the built console to the folder that is given, or to where a producer of the source tree reads it. */
const folder =
  process.argv[2] ?? fileURLToPath(new URL("../src/console/console-assets/", import.meta.url));

const files = await buildConsole(new URL("../console/", import.meta.url));
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const { name, bytes } of files) writeFileSync(join(folder, name), bytes);
