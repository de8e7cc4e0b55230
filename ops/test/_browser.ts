import { chromium, type Browser } from "playwright-core";

import { installProgram } from "../dev/stores/install-program.ts";
import { commandOutput } from "../dev/process-table.ts";

/** Starts the system's Chromium, headless. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(),
    // Chromium's sandbox does not run as root.
    chromiumSandbox: process.getuid?.() !== 0,
  });
}

function findChromium(): string {
  const own = process.env["CHROMIUM"];
  if (own !== undefined) return own;
  const onPath = () =>
    ["chromium", "chromium-browser", "google-chrome"]
      .map((name) => commandOutput("sh", ["-c", `command -v ${name}`]))
      .find((path) => path !== "");
  const found = onPath() ?? (installProgram("chromium") ? onPath() : undefined);
  if (found === undefined) throw new Error("these tests need chromium on the PATH");
  return found;
}
