import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import {
  extendProcess,
  type RestartableProcess,
  stablePort,
  startRestartable,
} from "./restartable.ts";
import { startChild } from "./child.ts";
import { installProgram } from "../stores/install-program.ts";
import { commandOutput } from "./process-table.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

export interface Caddy extends RestartableProcess {
  readonly url: string;
  readonly dashboardUrl: string;
}

/** Starts Caddy with the real Caddyfile in front of `upstreams`, on free ports. CADDY overrides the binary on the PATH. */
export async function startCaddy(
  upstreams: readonly string[],
  variables: Readonly<Record<string, string>> = {},
  scheme: "http" | "https" = "http",
  host = scheme === "https" ? "localhost" : "127.0.0.1",
): Promise<Caddy> {
  await using opening = new AsyncDisposableStack();
  const command = findCaddy();
  const dir = mkdtempSync(join(tmpdir(), "toril-caddy-"));
  opening.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const [port, dashboardPort] = [await stablePort(), await stablePort()];
  const url = `${scheme}://${host}:${port}`;
  const dashboardUrl = `http://127.0.0.1:${dashboardPort}`;
  const server = opening.use(
    await startRestartable(async () => {
      const child = await startChild({
        name: "caddy",
        command: join(root, "ops/caddy/start.sh"),
        args: [],
        env: {
          CADDY: command,
          HOME: dir,
          PATH: process.env["PATH"],
          PRODUCERS: upstreams.map((upstream) => new URL(upstream).host).join(" "),
          SITE_ADDRESS: url,
          DASHBOARD_ADDRESS: dashboardUrl,
          ...variables,
        },
        logFile: join(dir, "caddy.log"),
        stopMs: 12_000,
      });
      await child.ready(async () => (await fetch(`${dashboardUrl}/up`)).ok || undefined, {
        timeoutMs: 30_000,
      });
      return child;
    }),
  );
  const opened = opening.move();
  return extendProcess(server, { url, dashboardUrl }, opened);
}

function findCaddy(): string {
  const own = process.env["CADDY"];
  if (own !== undefined) return own;
  const isInstalled = () => commandOutput("caddy", ["version"]) !== "";
  if (isInstalled() || (installProgram("caddy") && isInstalled())) return "caddy";
  throw new Error("these tests need caddy on the PATH");
}
