import { ConfigError } from "@toril/contract/engine/config/config";
import type { Pipeline } from "../http/pipeline.ts";
import type { Metrics } from "../observability/metrics.ts";

/** The only difference between runtimes: how to listen. */
export interface Runtime {
  serve(pipeline: Pipeline, address: Address): Server;
  /** Serves metrics without authentication, on a port that must not be published. */
  serveMetrics(metrics: Metrics, address: Address): Server;
}

export interface Address {
  hostname: string;
  port: number;
}

export interface Server {
  url: URL;
  /** Accepts no new connections, lets requests finish, and closes the remaining connections after `deadlineMs`. */
  drain(deadlineMs: number): Promise<void>;
}

/** @throws ConfigError that names the variable if the port is taken */
export function listenOnPort<Started>(
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

export async function respondWithMetrics(metrics: Metrics, request: Request): Promise<Response> {
  const isMetricsRequest = request.method === "GET" && new URL(request.url).pathname === "/metrics";
  if (!isMetricsRequest)
    return new Response("This port serves only GET /metrics.\n", { status: 404 });
  return new Response(await metrics.render(), { headers: { "Content-Type": metrics.contentType } });
}
