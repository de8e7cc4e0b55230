import net from "node:net";

export type _Proxy = Awaited<ReturnType<typeof _openProxy>>;

/** Opens a proxy between a producer and a store that can break the connection. */
export async function _openProxy(target: string) {
  const url = new URL(target);
  const { hostname, port } = url;
  const lines = new Set<{ thaw(): void; close(): void }>();
  let state: "passing" | "frozen" | "refusing" = "passing";
  let heldBytes = 0;
  let cut: { text: string; done(): void } | undefined;

  const listener = net.createServer((client) => {
    client.on("error", () => {});
    if (state === "refusing") {
      client.destroy();
      return;
    }
    const server = net.connect(Number(port), hostname);
    server.on("error", () => {});
    const requested: Buffer[] = [];
    const answered: Buffer[] = [];
    const line = {
      // A stopped server still receives what was sent to it, even by clients that have disconnected.
      thaw() {
        for (const bytes of requested.splice(0)) server.write(bytes);
        for (const bytes of answered.splice(0)) client.write(bytes);
        if (client.destroyed) server.end();
      },
      close() {
        lines.delete(line);
        client.destroy();
        server.destroy();
      },
    };
    lines.add(line);
    client.on("data", (bytes) => {
      requested.push(bytes);
      if (state === "passing") line.thaw();
      else heldBytes += bytes.length;
    });
    server.on("data", (bytes) => {
      if (cut !== undefined && bytes.includes(cut.text)) {
        cut.done();
        cut = undefined;
        line.close();
        return;
      }
      answered.push(bytes);
      if (state === "passing") line.thaw();
    });
    client.on("close", () => state === "passing" && line.close());
    server.on("close", line.close);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  url.hostname = "127.0.0.1";
  url.port = String((listener.address() as net.AddressInfo).port);

  return {
    url: url.href,
    /** Forwards nothing and keeps the connections open. */
    freeze() {
      state = "frozen";
      heldBytes = 0;
    },
    refuse() {
      state = "refusing";
      for (const line of lines) line.close();
    },
    pass() {
      state = "passing";
      for (const line of lines) line.thaw();
    },
    /** Closes the connection instead of forwarding the next reply that contains `text`. */
    cutReply(text: string): Promise<void> {
      return new Promise((done) => {
        cut = { text, done };
      });
    },
    /** Bytes sent since the freeze. */
    get heldBytes() {
      return heldBytes;
    },
    close() {
      listener.close();
      for (const line of lines) line.close();
    },
  };
}
