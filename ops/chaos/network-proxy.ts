import { createServer as createHttpServer } from "node:http";
import { createConnection, createServer, type Socket } from "node:net";

/**
 * A TCP proxy on loopback whose connections can be cut or made half-open. It is a process of its own, so that a busy
 * driver does not delay the stores. Control: `POST /route?listen=P&target=T`, `/reset?listen=P`, `/half-open?listen=P`.
 */

interface Pair {
  client: Socket;
  server: Socket;
}

/** After which TCP keep-alive would have closed the server's side of a connection whose client vanished. */
const keepAliveMs = 25_000;
const host = "127.0.0.1";
const pairs = new Map<number, Set<Pair>>();

function route(listen: number, target: number): Promise<void> {
  const open = new Set<Pair>();
  pairs.set(listen, open);
  const listener = createServer((client) => {
    const server = createConnection({ host, port: target });
    const pair = { client, server };
    open.add(pair);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(pair);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen({ host, port: listen }, resolve);
  });
}

function reset(listen: number): void {
  const open = [...(pairs.get(listen) ?? [])];
  for (const { client, server } of open) {
    client.resetAndDestroy();
    server.resetAndDestroy();
  }
}

/** What is sent on the open connections vanishes, and neither side hears that the other one closed. */
function makeHalfOpen(listen: number): void {
  const open = [...(pairs.get(listen) ?? [])];
  for (const { client, server } of open) {
    for (const socket of [client, server]) {
      socket.unpipe();
      socket.removeAllListeners("close");
      socket.resume();
    }
    setTimeout(() => server.destroy(), keepAliveMs);
  }
  pairs.get(listen)?.clear();
}

const control = createHttpServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://control");
  const listen = Number(searchParams.get("listen"));
  const answer = (body: unknown) => response.end(JSON.stringify(body));
  const opened =
    pathname === "/route" ? route(listen, Number(searchParams.get("target"))) : Promise.resolve();
  if (pathname === "/reset") reset(listen);
  if (pathname === "/half-open") makeHalfOpen(listen);
  opened.then(
    () => answer("ok"),
    (error: unknown) => {
      response.statusCode = 500;
      answer(String(error));
    },
  );
});
control.listen({ host, port: Number(process.argv[2]) });
