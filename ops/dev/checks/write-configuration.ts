import { readFile, writeFile } from "node:fs/promises";

import { listVariables, type Variable } from "./configuration.ts";

const path = new URL("../../configuration.md", import.meta.url);

function render(variables: readonly Variable[]): string {
  const rows = variables.map((variable) => `| ${toColumns(variable).join(" | ")} |`);
  return `# Configuration

All environment variables, generated from the schemas that validate them (\`bun run generate\`). A process with an invalid
value does not start and names the variable; an empty value counts as unset. Every value can be read from a file: \`DATABASE_URL_FILE=/run/secrets/db\`.

| variable | default | program | meaning |
|---|---|---|---|
${rows.join("\n")}
`;
}

function toColumns({ name, defaults, isRequired, description }: Variable): string[] {
  if (description === undefined) {
    throw new Error(`${name} has no description: add .describe("...") to its schema`);
  }
  const texts = [...new Set(Object.values(defaults))];
  const values = texts.map((text) => (text === undefined ? "none" : text && `\`${text}\``));
  return [
    `\`${name}\``,
    isRequired ? "required" : values.join(", "),
    Object.keys(defaults).join(", "),
    description.replaceAll("|", String.raw`\|`),
  ];
}

const text = render(listVariables());
if (!process.argv.includes("--check")) {
  await writeFile(path, text);
} else if ((await readFile(path, "utf8").catch(() => "")) !== text) {
  console.error("ops/configuration.md is stale: run `bun run generate`");
  process.exitCode = 1;
}
