import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Imports a peer's package from the cache that `installPeers` filled; its folder is in PEERS_DIR. */
export async function loadPeer<Module>(name: string): Promise<Module> {
  const { PEERS_DIR = "" } = process.env;
  const require = createRequire(join(PEERS_DIR, "package.json"));
  return (await import(pathToFileURL(require.resolve(name)).href)) as Module;
}
