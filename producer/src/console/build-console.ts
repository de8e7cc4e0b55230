import { fileURLToPath } from "node:url";
import type { ConsoleFile } from "./console-files.ts";

/** Bundles the console. Requires Bun and the sources. */
export async function buildConsole(sources: URL): Promise<ConsoleFile[]> {
  const path = (name: string) => fileURLToPath(new URL(name, sources));
  const { outputs } = await Bun.build({
    entrypoints: [path("main.tsx"), path("style.css")],
    target: "browser",
    minify: true,
    naming: "[name]-[hash].[ext]",
    tsconfig: path("tsconfig.json"),
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const files = await Promise.all(
    outputs.map(async (output) => ({
      name: output.path.replace(/^.*[/\\]/, ""),
      bytes: new Uint8Array(await output.arrayBuffer()),
    })),
  );
  const find = (extension: string) => files.find(({ name }) => name.endsWith(extension))?.name;
  const template = await Bun.file(new URL("index.html", sources)).text();
  const html = template
    .replace("main.tsx", `/console/assets/${find(".js")}`)
    .replace("style.css", `/console/assets/${find(".css")}`);
  return [{ name: "index.html", bytes: new TextEncoder().encode(html) }, ...files];
}
