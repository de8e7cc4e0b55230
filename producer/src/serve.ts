import { createJob } from "@toril/contract/http/jobs";
import { ConfigError } from "@toril/contract/config";
import type { Gate } from "./gate.ts";

export interface Server {
  url: URL;
  /** Takes no new connection, lets requests end, and cuts those that have not after `deadlineMs`. */
  drain(deadlineMs: number): Promise<void>;
}

export function serve(gate: Gate, settings: { hostname: string; port: number }): Server {
  const server = namingTaken(settings.port, () =>
    Bun.serve({
      ...settings,
      // Files of any size are imported as streams; everything else counts what it reads.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      idleTimeout: 60,
      // Found by the server itself, for less than the framework's router and without parsing the address.
      routes: { [createJob.path]: { POST: gate.createJob } },
      fetch: (request) => gate.answer(addressed(request)),
    }),
  );
  return {
    url: server.url,
    async drain(deadlineMs) {
      const timer = setTimeout(() => void server.stop(true), deadlineMs);
      await server.stop();
      clearTimeout(timer);
    },
  };
}

/** @throws ConfigError that says so in one line */
function namingTaken<Started>(port: number, start: () => Started): Started {
  try {
    return start();
  } catch (error) {
    const isTaken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    throw isTaken ? new ConfigError(`PORT ${port} is taken`, { cause: error }) : error;
  }
}

/** Of a request without a valid Host, as health checks send them, Bun knows only the path; Hono wants an address. */
function addressed(request: Request): Request {
  const { url } = request;
  return url.startsWith("/") ? new Request(`http://localhost${url}`, request) : request;
}
