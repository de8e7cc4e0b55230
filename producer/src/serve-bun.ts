import { createJob } from "@toril/contract/http/jobs";
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
              gate.createJob(request, () => peerOf(server, request)),
          },
        },
        fetch: (request, server) => gate.answer(addressed(request), () => peerOf(server, request)),
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

function peerOf(server: AnyServer, request: Request): string {
  return server.requestIP(request)?.address ?? "unknown";
}

/** Of a request without a valid Host, as health checks send them, Bun knows only the path; Hono wants an address. */
function addressed(request: Request): Request {
  const { url } = request;
  return url.startsWith("/") ? new Request(`http://localhost${url}`, request) : request;
}
