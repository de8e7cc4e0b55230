import { connect } from "node:net";
import { expect, test } from "bun:test";
import { createLogging } from "../src/engine/logging/logging.ts";

function _open() {
  const lines: string[] = [];
  const stdout = { write: (line: string) => lines.push(line) };
  return {
    ...createLogging("one", { level: "info", shipBufferBytes: 0 }, { stdout, connect }),
    lines,
  };
}

test("a line contains the name of the level, and of an error only fields without data", () => {
  const { log, lines } = _open();

  log.error({ err: Object.assign(new Error("no"), { code: "E1", command: "secret" }) }, "failed");

  const line = JSON.parse(lines[0] ?? "");
  expect(line).toMatchObject({ level: "error", name: "one", msg: "failed" });
  expect(line.err).toEqual({ name: "Error", message: "no", code: "E1", stack: line.err.stack });
});

test("a line contains neither passwords of URLs nor keys", () => {
  const { log, lines } = _open();

  log.warn(
    { err: new Error("redis://:hunter2@redis is unavailable"), apiKey: "hunter2" },
    "Bearer hunter2hunter2",
  );

  expect(lines[0]).not.toContain("hunter2");
  expect(JSON.parse(lines[0] ?? "").err.message).toBe("redis://***@redis is unavailable");
});
