import {
  respondWithMetrics,
  listenOnPort,
  type Address,
  type Runtime,
  type Server,
} from "./serve.ts";

type Handle = (request: Request, info: { remoteAddr: { hostname: string } }) => Promise<Response>;

/** The part of Deno's API in use: Deno's own types would be a second standard library beside Bun's. */
interface DenoServe {
  serve(
    options: Address & { signal: AbortSignal; onListen(): void },
    handle: Handle,
  ): { addr: Address; finished: Promise<void>; shutdown(): Promise<void> };
}

declare const Deno: DenoServe;

export const deno: Runtime = {
  serve: (pipeline, address) =>
    listen("PORT", address, (request, { remoteAddr }) =>
      pipeline.handle(request, {
        address: remoteAddr.hostname,
        // Deno has no idle timeout.
        setIdleTimeout() {},
      }),
    ),
  serveMetrics: (metrics, address) =>
    listen("METRICS_PORT", address, (request) => respondWithMetrics(metrics, request)),
};

function listen(variable: string, address: Address, handle: Handle): Server {
  const cut = new AbortController();
  const server = listenOnPort(variable, address, () =>
    Deno.serve({ ...address, signal: cut.signal, onListen() {} }, handle),
  );
  const { hostname, port } = server.addr;
  let isDown = false;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return {
    url: new URL(`http://${host}:${port}`),
    async drain(deadlineMs) {
      // Aborting a server that has stopped, or is stopping right now, crashes the process.
      if (isDown) return;
      if (deadlineMs === 0) {
        cut.abort();
        await server.finished;
      } else {
        const timer = setTimeout(() => cut.abort(), deadlineMs);
        await server.shutdown();
        clearTimeout(timer);
      }
      isDown = true;
    },
  };
}
