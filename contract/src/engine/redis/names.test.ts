import { expect, test } from "bun:test";
import {
  bullId,
  bullName,
  epochKey,
  jobKey,
  parseBullId,
  probeKey,
  queueKeys,
  parseBullName,
} from "./names.ts";

const id = "019c2f1e-7b1a-7c3d-8a4e-5f6071829304";

test("a queue's name comes back from its BullMQ name", () => {
  expect(parseBullName(bullName("row-import"))).toBe("row-import");
});

test("a BullMQ name without a hash tag is refused", () => {
  expect(() => parseBullName("row-import")).toThrow("row-import");
});

test("an id and its run come back from a BullMQ id", () => {
  expect(parseBullId(bullId(id, 0))).toEqual({ id, generation: 0 });
  expect(parseBullId(bullId(id, 12))).toEqual({ id, generation: 12 });
});

test.each([
  "",
  "repeat:x:1",
  `${id}-`,
  `${id}-0`,
  `${id}-01`,
  `${id}-x`,
  `${id}-1-1`,
  `x${id}`,
  id.toUpperCase(),
])("%p is no BullMQ id of a job", (text) => {
  expect(parseBullId(text)).toBeUndefined();
});

test("all keys of a queue share one hash tag", () => {
  const keys = [...Object.values(queueKeys("bull", "echo")), jobKey("bull", "echo", id)];
  expect(new Set(keys.map((key) => /^bull:\{(.+?)\}:/.exec(key)?.[1]))).toEqual(new Set(["echo"]));
});

test("the keys beside a queue's own share its hash tag, and are none of its jobs", () => {
  const { base } = queueKeys("bull", "echo");
  for (const key of [epochKey("bull", "echo"), probeKey("bull", "echo")]) {
    expect(key).toContain(":{echo}");
    expect(key.startsWith(base)).toBe(false);
  }
});
