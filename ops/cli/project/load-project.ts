import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { UserError } from "../../dev/user-error.ts";
import { isProject, type Project } from "./define-config.ts";
import { type OpenedProject, openProject } from "./open-project.ts";

const fileNames = ["ts", "mts", "js", "mjs"].map((extension) => `toril.config.${extension}`);

/** Finds the config file of the project in `directory`. */
export function findConfig(directory: string): string | undefined {
  return fileNames.map((name) => resolve(directory, name)).find((path) => existsSync(path));
}

/**
 * Finds the config file that a command uses.
 * @param given the value of `--config`
 */
export function requireConfig(directory: string, given: string | undefined): string {
  const path = given === undefined ? findConfig(directory) : resolve(directory, given);
  if (path !== undefined && existsSync(path)) return path;
  throw new UserError(
    given === undefined
      ? `there is no toril.config.ts in ${directory}: create a project with "toril init DIR", or name the file with --config`
      : `--config: ${path} does not exist`,
  );
}

/** Imports a config file. The default export must be a value of `defineConfig`. */
async function importConfig(path: string): Promise<Project> {
  const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  if (isProject(module.default)) return module.default;
  throw new UserError(`${path} has no default export of defineConfig`);
}

/** Imports a config file and checks the project. */
export async function loadProject(path: string): Promise<OpenedProject> {
  const project = await importConfig(path);
  try {
    return openProject(project);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${path}: ${error.message}`, { cause: error });
  }
}
