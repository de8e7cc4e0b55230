import { createJob } from "@toril/contract/http/jobs";
import { ConfigError } from "@toril/contract/config";
import type { Gate } from "./gate.ts";
import type { Metrics } from "./metrics.ts";

type AnyServer = Bun.Server<unknown>;

export interface Server {
  url: URL;
  /** Takes no new connection, lets requests end, and cuts those that have not after `deadlineMs`. */
  drain(deadlineMs: number): Promise<void>;
}

interface Address {
  hostname: string;
  port: number;
}

export function serve(gate: Gate, address: Address): Server {
  return listen("PORT", address, () =>
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
  );
}

/** Serves the metrics to whoever asks: for a port that is not published. */
export function serveMetrics(metrics: Metrics, address: Address): Server {
  return listen("METRICS_PORT", address, () =>
    Bun.serve({
      ...address,
      routes: {
        "/metrics": {
          GET: async () =>
            new Response(await metrics.render(), {
              headers: { "Content-Type": metrics.contentType },
            }),
        },
      },
      fetch: () => new Response("Only GET /metrics is served here.\n", { status: 404 }),
    }),
  );
}

function listen(variable: string, { port }: Address, start: () => AnyServer): Server {
  const server = namingTaken(`${variable} ${port}`, start);
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

/** @throws ConfigError that says so in one line */
function namingTaken<Started>(port: string, start: () => Started): Started {
  try {
    return start();
  } catch (error) {
    const isTaken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    throw isTaken ? new ConfigError(`${port} is taken`, { cause: error }) : error;
  }
}

/** Of a request without a valid Host, as health checks send them, Bun knows only the path; Hono wants an address. */
function addressed(request: Request): Request {
  const { url } = request;
  return url.startsWith("/") ? new Request(`http://localhost${url}`, request) : request;
}
