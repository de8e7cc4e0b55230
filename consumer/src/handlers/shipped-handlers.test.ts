import { describe, expect, test } from "bun:test";
import type { HandlerContext } from "../worker/handler.ts";
import { createEcho } from "./shipped-handlers.ts";

const echo = createEcho();

function _context(changes: Partial<HandlerContext> = {}): HandlerContext {
  return { attempt: 1, signal: new AbortController().signal, ...changes } as HandlerContext;
}

describe("echo", () => {
  test("fails the configured number of first attempts", async () => {
    const data = { message: "hello", failures: 2 };

    await expect(echo(data, _context({ attempt: 1 }))).rejects.toThrow("attempt 1 of 2");
    await expect(echo(data, _context({ attempt: 2 }))).rejects.toThrow("attempt 2 of 2");
    expect(await echo(data, _context({ attempt: 3 }))).toEqual({ message: "hello" });
  });

  test("stops sleeping when its attempt is aborted", async () => {
    const stop = new AbortController();
    const sleeping = echo(
      { message: "hello", sleepMs: 300_000 },
      _context({ signal: stop.signal }),
    );

    stop.abort();

    await expect(sleeping).rejects.toThrow("aborted");
  });
});
