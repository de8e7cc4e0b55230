import { expect, test } from "bun:test";
import { clientAddress, isLoopback, trustedProxiesField } from "./client-address.ts";

const proxies = trustedProxiesField.parse("10.0.0.0/8, 192.0.2.7,2001:db8::/32");

test.each([
  ["198.51.100.1", null, "198.51.100.1"],
  ["198.51.100.1", "203.0.113.9", "198.51.100.1"],
  ["10.1.2.3", null, "10.1.2.3"],
  ["10.1.2.3", "203.0.113.9", "203.0.113.9"],
  ["::ffff:10.1.2.3", "203.0.113.9", "203.0.113.9"],
  ["192.0.2.7", "203.0.113.9", "203.0.113.9"],
  ["192.0.2.8", "203.0.113.9", "192.0.2.8"],
  ["2001:db8::1", "203.0.113.9", "203.0.113.9"],
  // Only entries that trusted proxies appended count: the client may send a header of its own.
  ["10.1.2.3", "1.1.1.1, 203.0.113.9", "203.0.113.9"],
  ["10.1.2.3", "1.1.1.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"],
  ["10.1.2.3", "nonsense", "10.1.2.3"],
  ["10.1.2.3", "10.9.9.9", "10.9.9.9"],
])("from %s, forwarded for %s: it is %s", (socket, forwardedFor, client) => {
  expect(clientAddress(socket, forwardedFor, proxies)).toBe(client);
});

test("X-Forwarded-For is ignored if no proxy is trusted", () => {
  const noProxies = trustedProxiesField.parse(undefined);
  expect(clientAddress("127.0.0.1", "1.1.1.1", noProxies)).toBe("127.0.0.1");
});

test.each(["proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::1/129", "10.0.0/8"])(
  "%s is rejected",
  (text) => {
    expect(trustedProxiesField.safeParse(text).success).toBe(false);
  },
);

test.each(["127.0.0.1", "127.1.2.3", "::1", "localhost"])("%s is a loopback address", (host) => {
  expect(isLoopback(host)).toBe(true);
});

test.each(["0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "localhost.example", "127.0.0.1.example", ""])(
  "%s is not a loopback address",
  (host) => {
    expect(isLoopback(host)).toBe(false);
  },
);
