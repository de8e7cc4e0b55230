import { expect, test } from "bun:test";
import type { Audit } from "./audit.ts";
import { createSignInAudit } from "./sign-in-audit.ts";

function open() {
  let at = 1_000_000;
  const recorded: (string | null)[] = [];
  const audit: Audit = {
    begin: ({ address }) => ({
      done: async () => {},
      changesNothing() {},
      end: async () => void recorded.push(address),
    }),
  };
  const { recordFailure } = createSignInAudit(audit, () => at);
  return {
    pass: (seconds: number) => (at += seconds * 1000),
    /** Returns how many of the failures are recorded. */
    async fail(address: string, times: number) {
      const before = recorded.length;
      const context = { path: "/console/session", requestId: "r", address: () => address };
      for (let count = 0; count < times; count += 1) {
        await recordFailure(context, "unauthenticated");
      }
      return recorded.length - before;
    },
  };
}

test("of one network, 20 failed sign-ins a minute are recorded, and those of others as well", async () => {
  const { fail, pass } = open();
  expect(await fail("192.0.2.1", 25)).toBe(20);
  expect(await fail("192.0.2.2", 1)).toBe(1);
  expect(await fail("2001:db8:1:2::1", 15)).toBe(15);
  expect(await fail("2001:db8:1:2::2", 15)).toBe(5);
  expect(await fail("2001:db8:1:3::1", 1)).toBe(1);
  pass(59);
  expect(await fail("192.0.2.1", 1)).toBe(0);
  pass(1);
  expect(await fail("192.0.2.1", 25)).toBe(20);
});

test("of all networks, 200 failed sign-ins a minute are recorded", async () => {
  const { fail, pass } = open();
  for (let network = 1; network <= 10; network += 1) {
    expect(await fail(`192.0.2.${network}`, 20)).toBe(20);
  }
  expect(await fail("192.0.2.11", 20)).toBe(0);
  pass(60);
  expect(await fail("192.0.2.11", 20)).toBe(20);
});
