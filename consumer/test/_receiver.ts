import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request that a receiver got. */
export interface _Received {
  path: string;
  headers: IncomingHttpHeaders;
  /** The body, byte for byte. */
  text: string;
  // oxlint-disable-next-line no-explicit-any -- each test knows its payload
  body: any;
}

type Answer = (request: _Received, response: ServerResponse) => void;

/** Starts an HTTP server that records requests; `answer` answers them, by default with 200. */
export async function _startReceiver() {
  const received: _Received[] = [];
  let answer: Answer = (_, response) => response.end("ok");
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (text += chunk));
    request.on("end", () => {
      const { url: path = "", headers } = request;
      const one = { path, headers, text, body: JSON.parse(text) };
      received.push(one);
      answer(one, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    base,
    received,
    on: (path: string) => received.filter((request) => request.path === path),
    answerWith(next: Answer) {
      answer = next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
