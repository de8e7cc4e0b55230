import { createJobPath } from "@toril/contract/api/http/jobs/jobs";
import type { ClientConnection } from "../http/request-context.ts";
import {
  respondWithMetrics,
  listenOnPort,
  type Address,
  type Runtime,
  type Server,
} from "./serve.ts";

type AnyServer = Bun.Server<unknown>;

export const bun: Runtime = {
  serve: (pipeline, address) =>
    listen("PORT", address, () =>
      Bun.serve({
        ...address,
        // Imports stream files of any size; all other routes limit the size of their bodies.
        maxRequestBodySize: Number.MAX_SAFE_INTEGER,
        idleTimeout: 60,
        // Routed natively by Bun, which costs less than the framework's router and parses no URL.
        routes: {
          [createJobPath]: {
            POST: (request: Request, server: AnyServer) =>
              pipeline.createJob(request, new BunPeer(server, request)),
          },
        },
        fetch: (request, server) =>
          pipeline.handle(withAbsoluteUrl(request), new BunPeer(server, request)),
      }),
    ),
  serveMetrics: (metrics, address) =>
    listen("METRICS_PORT", address, () =>
      Bun.serve({
        ...address,
        fetch: (request) => respondWithMetrics(metrics, withAbsoluteUrl(request)),
      }),
    ),
};

function listen(variable: string, address: Address, start: () => AnyServer): Server {
  const server = listenOnPort(variable, address, start);
  return {
    url: server.url,
    async drain(deadlineMs) {
      const timer = setTimeout(() => void server.stop(true), deadlineMs);
      await server.stop();
      clearTimeout(timer);
    },
  };
}

/** Looks up the address only on demand. */
class BunPeer implements ClientConnection {
  readonly #server: AnyServer;
  readonly #request: Request;

  constructor(server: AnyServer, request: Request) {
    this.#server = server;
    this.#request = request;
  }

  get address(): string {
    return this.#server.requestIP(this.#request)?.address ?? "unknown";
  }

  setIdleTimeout(seconds: number): void {
    this.#server.timeout(this.#request, seconds);
  }
}

/**
 * Completes the URL of a request without a valid Host, such as a health check: Bun gives the path only, but Hono needs
 * a whole URL.
 */
function withAbsoluteUrl(request: Request): Request {
  const { url } = request;
  return url.startsWith("/") ? new Request(`http://localhost${url}`, request) : request;
}
