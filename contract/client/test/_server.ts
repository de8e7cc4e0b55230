import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A response; `cut`: the connection is closed without one; `half`: within the body; `silent`: never. */
export type _Answer =
  | "cut"
  | "half"
  | "silent"
  | { status: number; body?: unknown; headers?: Record<string, string> };

export interface _Received {
  method: string;
  path: string;
  body: string;
  key: string | undefined;
  prefer: string | undefined;
}

/**
 * Starts an HTTP server on a free port.
 * @param answer called for each request after its body has arrived
 */
export async function _startServer(answer: (request: _Received, count: number) => _Answer) {
  const received: _Received[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      const { method = "", url: path = "", headers } = request;
      const key = headers["idempotency-key"] as string | undefined;
      const one = { method, path, body, key, prefer: headers["prefer"] as string | undefined };
      received.push(one);
      const given = answer(one, received.length);
      if (given === "silent") return;
      if (given === "cut") {
        request.socket.destroy();
      } else if (given === "half") {
        response.writeHead(200, { "Content-Type": "application/json", "Content-Length": 100 });
        response.write('{"id":');
        setImmediate(() => request.socket.destroy());
      } else {
        response.writeHead(given.status, { "Content-Type": "application/json", ...given.headers });
        response.end(JSON.stringify(given.body ?? {}));
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export function _problem(status: number, type = "about:blank", headers = {}): _Answer {
  return { status, headers, body: { type, title: "refused", status } };
}

export const _accepted: _Answer = { status: 201, body: { id: "1", outcome: "created" } };
