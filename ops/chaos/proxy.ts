import { join } from "node:path";

import { stablePort } from "../dev/processes/restartable.ts";
import { startChild } from "../dev/processes/child.ts";

/** Control of the process `network-proxy.ts`. */
export interface Proxy extends AsyncDisposable {
  /** Opens a port in front of `target` and returns it. */
  open(target: number): Promise<number>;
  /** Resets every connection through the port. */
  reset(port: number): Promise<void>;
  /** Makes every connection through the port half-open; new connections work. */
  halfOpen(port: number): Promise<void>;
}

export async function startProxy(root: string, dir: string): Promise<Proxy> {
  const port = await stablePort();
  const child = await startChild({
    name: "proxy",
    command: join(root, "node_modules/.bin/node"),
    args: [join(import.meta.dirname, "network-proxy.ts"), String(port)],
    logFile: join(dir, "proxy.log"),
    stopMs: 2000,
  });
  async function post(path: string) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST" });
    if (!response.ok) throw new Error(`the proxy answers ${await response.text()}`);
    return true;
  }
  await child.ready(() => post("/"), { timeoutMs: 30_000 });
  return {
    async open(target) {
      const listen = await stablePort();
      await post(`/route?listen=${listen}&target=${target}`);
      return listen;
    },
    reset: async (listen) => void (await post(`/reset?listen=${listen}`)),
    halfOpen: async (listen) => void (await post(`/half-open?listen=${listen}`)),
    [Symbol.asyncDispose]: async () => void (await child.stop({ atOnce: true })),
  };
}
