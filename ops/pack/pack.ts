import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import project from "../../package.json" with { type: "json" };
import { buildPackages, run } from "./build.ts";
import { checkVersions } from "./manifest.ts";
import { root } from "./packages.ts";

/** Writes the tarballs of all packages to `dist`, or to the folder that is given. */
function pack(destination: string): void {
  checkVersions(project);
  const dir = mkdtempSync(join(tmpdir(), "toril-pack-"));
  try {
    const folders = buildPackages(dir, findRepository());
    rmSync(destination, { recursive: true, force: true });
    mkdirSync(destination, { recursive: true });
    for (const folder of folders) {
      const args = ["pm", "pack", "--quiet", "--ignore-scripts", "--destination", destination];
      console.log(run(process.execPath, args, folder).trim());
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The address of the repository is known in its CI only. */
function findRepository(): string | undefined {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = process.env;
  return GITHUB_REPOSITORY && `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`;
}

pack(resolve(process.argv[2] ?? join(root, "dist")));
