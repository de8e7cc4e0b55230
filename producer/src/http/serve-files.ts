import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { serveStatic, type ServeStaticOptions } from "hono/serve-static";
import type { Env, MiddlewareHandler } from "hono";

/** Hono's static file middleware on `node:fs`, so that it works on every runtime. */
export function serveFiles<Of extends Env = Env>(
  options: ServeStaticOptions<Of> = {},
): MiddlewareHandler<Of> {
  return serveStatic<Of>({
    ...options,
    join,
    getContent: (path) => readFile(path).catch(() => null),
    isDir: async (path) => (await stat(path).catch(() => undefined))?.isDirectory(),
  });
}
