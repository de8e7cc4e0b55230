import { createJob } from "@toril/contract/api/http/jobs";
import type { Peer } from "../http/request-context.ts";
import { answerMetrics, namingTaken, type Address, type Runtime, type Server } from "./serve.ts";

type AnyServer = Bun.Server<unknown>;

export const bun: Runtime = {
  serve: (gate, address) =>
    listen("PORT", address, () =>
      Bun.serve({
        ...address,
        // Files of any size are imported as streams; everything else counts what it reads.
        maxRequestBodySize: Number.MAX_SAFE_INTEGER,
        idleTimeout: 60,
        // Found by the server itself, for less than the framework's router and without parsing the address.
        routes: {
          [createJob.path]: {
            POST: (request: Request, server: AnyServer) =>
              gate.createJob(request, new BunPeer(server, request)),
          },
        },
        fetch: (request, server) => gate.answer(addressed(request), new BunPeer(server, request)),
      }),
    ),
  serveMetrics: (metrics, address) =>
    listen("METRICS_PORT", address, () =>
      Bun.serve({ ...address, fetch: (request) => answerMetrics(metrics, addressed(request)) }),
    ),
};

function listen(variable: string, address: Address, start: () => AnyServer): Server {
  const server = namingTaken(variable, address, start);
  return {
    url: server.url,
    async drain(deadlineMs) {
      const timer = setTimeout(() => void server.stop(true), deadlineMs);
      await server.stop();
      clearTimeout(timer);
    },
  };
}

/** Asked only when it matters. */
class BunPeer implements Peer {
  readonly #server: AnyServer;
  readonly #request: Request;

  constructor(server: AnyServer, request: Request) {
    this.#server = server;
    this.#request = request;
  }

  get address(): string {
    return this.#server.requestIP(this.#request)?.address ?? "unknown";
  }

  keepOpen(seconds: number): void {
    this.#server.timeout(this.#request, seconds);
  }
}

/** Of a request without a valid Host, as health checks send them, Bun knows only the path; Hono wants an address. */
function addressed(request: Request): Request {
  const { url } = request;
  return url.startsWith("/") ? new Request(`http://localhost${url}`, request) : request;
}
