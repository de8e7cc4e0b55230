import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";

/**
 * Starts a TCP proxy in front of `target` that cuts connections: of every three responses, one is lost completely and
 * one after its first 100 bytes, each after the service has processed the request.
 */
export async function _startCuttingProxy(target: URL) {
  let responses = 0;
  let cuts = 0;
  const server = createServer((client) => {
    const service = connect(Number(target.port), target.hostname);
    client.on("error", () => {}).on("close", () => service.destroy());
    service.on("error", () => {}).on("close", () => client.destroy());
    client.on("data", (bytes) => service.write(bytes));
    service.on("data", (bytes) => {
      responses += 1;
      const turn = responses % 3;
      if (turn > 0) cuts += 1;
      if (turn === 0) client.write(bytes);
      else if (turn === 1) client.destroy();
      else client.write(bytes.subarray(0, 100), () => client.destroy());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    countCuts: () => cuts,
    [Symbol.dispose]: () => void server.close(),
  };
}
