import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { createHash } from "node:crypto";

/** A built file of the console. */
export interface ConsoleFile {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

export interface ServedFile extends ConsoleFile {
  gzipped: Uint8Array<ArrayBuffer>;
  etag: string;
}

/** Returns the files by name; undefined if the console is not built. */
export type ReadConsoleFiles = () => Promise<ReadonlyMap<string, ServedFile> | undefined>;

const sources = new URL("../../console/", import.meta.url);
/** Beside this module, or beside the program in an image. `bun run build` writes it into the source tree. */
const built = new URL("./console-assets/", import.meta.url);

/**
 * Creates the reader of the console's files: from the folder of built files, which images and packages contain, or, in
 * a source tree on Bun, bundled when a browser first asks.
 */
export function createConsoleFiles(): ReadConsoleFiles {
  let reading: ReturnType<ReadConsoleFiles> | undefined;
  return () =>
    (reading ??= read().catch((error: unknown) => {
      reading = undefined;
      throw error;
    }));
}

async function read(): Promise<ReadonlyMap<string, ServedFile> | undefined> {
  const files = await readFiles();
  return files && new Map(files.map((file) => [file.name, toServed(file)]));
}

async function readFiles(): Promise<ConsoleFile[] | undefined> {
  if ("Bun" in globalThis && existsSync(new URL("main.tsx", sources))) {
    const { buildConsole } = await import("./build-console.ts");
    return buildConsole(sources);
  }
  if (!existsSync(built)) return undefined;
  const names = await readdir(built);
  return Promise.all(
    names.map(async (name) => ({
      name,
      bytes: new Uint8Array(await readFile(new URL(name, built))),
    })),
  );
}

function toServed(file: ConsoleFile): ServedFile {
  const hash = createHash("sha256").update(file.bytes).digest("base64url").slice(0, 22);
  return {
    ...file,
    gzipped: new Uint8Array(gzipSync(file.bytes, { level: 9 })),
    etag: `"${hash}"`,
  };
}
