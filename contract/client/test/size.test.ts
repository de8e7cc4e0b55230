import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "bun:test";

const maxBytes = 15_000;

test(`the client has no dependency and at most ${maxBytes} bytes, minified and compressed`, async () => {
  const built = await Bun.build({
    entrypoints: [fileURLToPath(new URL("../src/index.ts", import.meta.url))],
    target: "browser",
    minify: true,
    // Imports of other packages would stay, and be found below.
    packages: "external",
  });
  const text = await built.outputs[0]!.text();
  // Not `import-part-in-use`, which is a problem type.
  expect(text).not.toMatch(/\bimport(?=[\s{("*])|\brequire\(/);
  expect(gzipSync(text).length).toBeLessThanOrEqual(maxBytes);
});
