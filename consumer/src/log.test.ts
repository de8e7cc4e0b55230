import { expect, test } from "bun:test";
import { createLog } from "./log.ts";

test("a line has its level by name, and of an error only what is not data", () => {
  const lines: string[] = [];
  const log = createLog("info", { write: (line) => lines.push(line) });

  log.error({ err: Object.assign(new Error("no"), { code: "E1", command: "secret" }) }, "failed");

  const line = JSON.parse(lines[0] ?? "");
  expect(line).toMatchObject({ level: "error", name: "consumer", msg: "failed" });
  expect(line.err).toEqual({ name: "Error", message: "no", code: "E1", stack: line.err.stack });
});
