import type { Server } from "bun";

export interface Upstream extends AsyncDisposable {
  readonly url: string;
  /** What arrived, health checks aside: "POST /v1/jobs". */
  readonly requests: string[];
  readonly server: Server<undefined>;
}

/** Starts a server that is ready and responds as `answer` says. */
export function startUpstream(
  answer: (request: Request) => Response | Promise<Response>,
  readiness: () => number = () => 200,
): Upstream {
  const requests: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    maxRequestBodySize: 1_000_000_000,
    fetch(request) {
      const { pathname } = new URL(request.url);
      // Not kept: once the server is gone, a request would break off on it.
      if (pathname === "/readyz") {
        return new Response(null, { status: readiness(), headers: { Connection: "close" } });
      }
      requests.push(`${request.method} ${pathname}`);
      return answer(request);
    },
  });
  return {
    url: server.url.origin,
    requests,
    server,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
