import { ConfigError } from "@toril/contract/engine/config/config";
import type { Pipeline } from "../http/pipeline.ts";
import type { Metrics } from "../observability/metrics.ts";

/** What differs between runtimes is how they listen, and this alone. */
export interface Runtime {
  serve(gate: Pipeline, address: Address): Server;
  /** Serves the metrics to whoever asks: for a port that is not published. */
  serveMetrics(metrics: Metrics, address: Address): Server;
}

export interface Address {
  hostname: string;
  port: number;
}

export interface Server {
  url: URL;
  /** Takes no new connection, lets requests end, and cuts those that have not after `deadlineMs`. */
  drain(deadlineMs: number): Promise<void>;
}

/** @throws ConfigError that says in one line which variable names a port that is taken */
export function namingTaken<Started>(
  variable: string,
  { port }: Address,
  start: () => Started,
): Started {
  try {
    return start();
  } catch (error) {
    const isTaken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    throw isTaken ? new ConfigError(`${variable} ${port} is taken`, { cause: error }) : error;
  }
}

export async function answerMetrics(metrics: Metrics, request: Request): Promise<Response> {
  const isAsked = request.method === "GET" && new URL(request.url).pathname === "/metrics";
  if (!isAsked) return new Response("Only GET /metrics is served here.\n", { status: 404 });
  return new Response(await metrics.render(), { headers: { "Content-Type": metrics.contentType } });
}
