import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";

export interface StatusDeps {
  registry: Registry;
  /** Readiness checks of the process's dependencies, by name. */
  checks: Readonly<Record<string, () => boolean | Promise<unknown>>>;
}

export interface StatusServer extends AsyncDisposable {
  port: number;
}

/** Serves /metrics, /livez and /readyz. */
export async function serveStatus(
  { registry, checks }: StatusDeps,
  at: { host: string; port: number },
): Promise<StatusServer> {
  const routes: Record<string, (response: ServerResponse) => Promise<void>> = {
    "/livez": async (response) => send(response, 200, { status: "ok" }),
    "/readyz": async (response) => {
      const states = await Promise.all(
        Object.entries(checks).map(async ([name, check]) => [name, await isUp(check)] as const),
      );
      const isReady = states.every(([, state]) => state);
      send(response, isReady ? 200 : 503, Object.fromEntries(states));
    },
    "/metrics": async (response) => {
      const text = await registry.metrics();
      response.writeHead(200, { "content-type": registry.contentType }).end(text);
    },
  };
  const server = createServer((request, response) => {
    const [path = ""] = (request.url ?? "").split("?");
    const answer = request.method === "GET" ? routes[path] : undefined;
    if (answer === undefined) return send(response, 404, { status: "not found" });
    answer(response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(at.port, at.host, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function isUp(check: () => boolean | Promise<unknown>) {
  try {
    return (await check()) !== false;
  } catch {
    return false;
  }
}

function send(response: ServerResponse, status: number, body: unknown) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
