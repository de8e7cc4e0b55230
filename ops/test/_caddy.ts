import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startChild } from "../dev/child.ts";
import { installProgram } from "../dev/install-program.ts";
import { ask } from "../dev/process-table.ts";
import { stablePort } from "./_processes.ts";
import { root } from "./_stack.ts";

export interface Caddy extends AsyncDisposable {
  readonly url: string;
  readonly dashboardUrl: string;
  readonly pid: number;
  log(): string;
}

/** The real Caddyfile before `upstreams`, on ports of its own; CADDY names another Caddy than that of the PATH. */
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
  const logFile = join(dir, "caddy.log");
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
    logFile,
    stopMs: 12_000,
  });
  opening.defer(async () => void (await child.stop()));
  await child.ready(async () => (await fetch(`${dashboardUrl}/up`)).ok || undefined, {
    timeoutMs: 30_000,
  });
  const opened = opening.move();
  return {
    url,
    dashboardUrl,
    pid: child.pid,
    log: () => readFileSync(logFile, "utf8"),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function findCaddy(): string {
  const own = process.env["CADDY"];
  if (own !== undefined) return own;
  const isThere = () => ask("caddy", ["version"]) !== "";
  if (isThere() || (installProgram("caddy") && isThere())) return "caddy";
  throw new Error("these tests need caddy on the PATH");
}
