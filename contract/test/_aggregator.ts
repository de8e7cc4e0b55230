import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** Starts a log aggregator (TCP) that can stall, crash and restart. */
export async function _startAggregator() {
  const connections: { socket: Socket; text: string; hasEnded: boolean }[] = [];
  let isStalled = false;
  let port = 0;
  let server: Server | undefined;

  async function start() {
    server = createServer((socket) => {
      const connection = { socket, text: "", hasEnded: false };
      connections.push(connection);
      socket.on("error", () => {});
      socket.on("end", () => (connection.hasEnded = true));
      socket.on("data", (bytes) => (connection.text += bytes.toString()));
      if (isStalled) socket.pause();
    });
    await new Promise<void>((resolve) => server?.listen(port, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
  }

  async function stop() {
    const closed = new Promise((resolve) => server?.close(resolve));
    for (const { socket } of connections) socket.destroy();
    await closed;
  }

  await start();
  return {
    port,
    start,
    stop,
    stall() {
      isStalled = true;
      for (const { socket } of connections) socket.pause();
    },
    flow() {
      isStalled = false;
      for (const { socket } of connections) socket.resume();
    },
    get connections() {
      return connections.length;
    },
    /** Whether the client closed the last connection gracefully. */
    get hasEnded() {
      return connections.at(-1)?.hasEnded ?? false;
    },
    /** The complete lines of all connections. */
    lines: () =>
      connections.flatMap(({ text }) =>
        text
          .slice(0, text.lastIndexOf("\n") + 1)
          .split("\n")
          .slice(0, -1),
      ),
    [Symbol.asyncDispose]: stop,
  };
}
