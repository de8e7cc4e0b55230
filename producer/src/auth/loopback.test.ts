import { expect, test } from "bun:test";
import { isLoopback } from "./loopback.ts";

test.each(["127.0.0.1", "127.1.2.3", "::1", "localhost"])("%s is this machine's alone", (host) => {
  expect(isLoopback(host)).toBe(true);
});

test.each(["0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "localhost.example", "127.0.0.1.example", ""])(
  "%s is not",
  (host) => {
    expect(isLoopback(host)).toBe(false);
  },
);
