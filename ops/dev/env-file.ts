import { rmSync, writeFileSync } from "node:fs";

import { quote } from "./processes/child.ts";

/** Shell assignments for redis-cli, psql and k6; the file exists only while the stores run. */
export function writeEnvFile(path: string, values: Readonly<Record<string, string>>): Disposable {
  const lines = Object.entries(values).map(([name, value]) => `${name}=${quote(value)}\n`);
  writeFileSync(path, lines.join(""), { mode: 0o600 });
  return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
}
