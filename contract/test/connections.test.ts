import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "bun:test";

import { isTransient } from "../src/engine/postgres/errors.ts";
import { postgres } from "../src/engine/postgres/driver.ts";

/** Replies of a Postgres that accepts any user, and has a session that is ready. */
const ready = Buffer.from([...Buffer.from("R\0\0\0\x08\0\0\0\0"), ...Buffer.from("Z\0\0\0\x05I")]);

test("a query fails if its connection closes while the types of arrays are read, and nothing is left unhandled", async () => {
  const server = createServer((socket) => {
    socket.once("data", () => {
      socket.write(ready);
      socket.once("data", () => socket.end());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const sql = postgres(`postgres://toril@127.0.0.1:${port}/toril`, { max: 1 });
  const error = await sql`select 1`.catch((thrown: unknown) => thrown);
  expect(isTransient(error)).toBe(true);
  await sql.end({ timeout: 0 });
  server.close();
});

/** A proxy whose server is down may accept connections and close them at once. */
async function openClosing(onConnection: () => void) {
  const server = createServer((socket) => {
    onConnection();
    // Without an error: a reset is another path of the driver.
    socket.resume().end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.dispose]: () => server.close() };
}

test.each([1, 2])(
  "a query fails after each of %d hosts has closed its connection once",
  async (count) => {
    const order: number[] = [];
    const servers = await Promise.all(
      Array.from({ length: count }, (_, index) => openClosing(() => order.push(index))),
    );
    try {
      const hosts = servers.map(({ port }) => `127.0.0.1:${port}`).join(",");
      const sql = postgres(`postgres://toril@${hosts}/toril`, { max: 1, backoff: () => 0 });
      for (const round of [1, 2]) {
        const error = await sql`select 1`.catch((thrown: unknown) => thrown);
        expect(isTransient(error)).toBe(true);
        expect(order).toHaveLength(count * round);
      }
      await sql.end({ timeout: 0 });
    } finally {
      for (const server of servers) server[Symbol.dispose]();
    }
  },
);
