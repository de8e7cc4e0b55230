import { describe, expect, test } from "bun:test";
import { createThrottledLog } from "./throttled-log.ts";

describe("a throttled log", () => {
  function _create() {
    let now = 0;
    const written: [string, number][] = [];
    const write = createThrottledLog((error, repeated) => written.push([error.message, repeated]), {
      periodMs: 1000,
      now: () => now,
    });
    return {
      written,
      write: (message: string) => write(new Error(message)),
      pass: (ms: number) => (now += ms),
    };
  }

  test("writes one of many similar errors per period, then their number", () => {
    const { written, write, pass } = _create();
    for (let index = 0; index < 10_000; index += 1) write(`OOM, ${index} bytes`);
    write("other");
    pass(1000);
    write("OOM, 1 bytes");
    pass(1000);
    write("OOM, 1 bytes");

    expect(written).toEqual([
      ["OOM, 0 bytes", 0],
      ["other", 0],
      ["OOM, 1 bytes", 9999],
      ["OOM, 1 bytes", 0],
    ]);
  });

  test("treats errors that differ only in an id as similar", () => {
    const { written, write } = _create();
    write("could not renew lock for job 019c2f1e-7b1a-7c3d-8a4e-5f6071829304");
    write("could not renew lock for job 019c2f1e-7b1a-7c3d-8a4e-aaaaaaaaaaaa");

    expect(written).toHaveLength(1);
  });
});
