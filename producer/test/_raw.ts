import { once } from "node:events";
import net from "node:net";

export type _Connection = Awaited<ReturnType<typeof _connect>>;

/** Opens a TCP connection that can send what no HTTP client would. */
export async function _connect(url: URL) {
  const socket = net.connect(Number(url.port), url.hostname);
  socket.setMaxListeners(0);
  let received = "";
  let isClosed = false;
  const closed = new Promise<void>((resolve) => {
    socket.on("close", () => {
      isClosed = true;
      resolve();
    });
  });
  socket.on("error", () => {});
  socket.on("data", (bytes) => (received += bytes.toString()));
  await once(socket, "connect");

  function write(text: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (isClosed || socket.write(text)) resolve();
      else {
        socket.once("drain", resolve);
        socket.once("close", resolve);
      }
    });
  }

  return {
    write,
    closed,
    get isClosed() {
      return isClosed;
    },
    /** Resolves with the first complete response. */
    async answer(): Promise<Response> {
      for (;;) {
        const answer = parse(received);
        if (answer !== undefined) return answer;
        if (isClosed) throw new Error(`closed after ${JSON.stringify(received)}`);
        await new Promise<void>((resolve) => {
          socket.once("data", () => resolve());
          socket.once("close", () => resolve());
        });
      }
    },
    /** Stops reading. */
    pause: () => socket.pause(),
    end: () => socket.end(),
    destroy: () => socket.destroy(),
  };
}

export function _head(line: string, ...headers: string[]): string {
  return [`${line} HTTP/1.1`, "Host: toril", ...headers, "", ""].join("\r\n");
}

export function _chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

function parse(received: string): Response | undefined {
  const [head = "", body] = received.split(/\r\n\r\n([\s\S]*)/);
  if (body === undefined) return undefined;
  const [statusLine = "", ...lines] = head.split("\r\n");
  const headers = new Headers(
    lines.map((line): [string, string] => [
      line.slice(0, line.indexOf(":")),
      line.slice(line.indexOf(":") + 1).trim(),
    ]),
  );
  if (Buffer.byteLength(body) < Number(headers.get("content-length"))) return undefined;
  return new Response(body, { status: Number(statusLine.split(" ")[1]), headers });
}
