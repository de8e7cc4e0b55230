import { lookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";

/**
 * Public-looking addresses that lead inside a cloud, as listed by microsoft/AntiSSRF and the documentation of Azure and
 * Google Kubernetes Engine. ipaddr.js covers the IANA special ranges, which include the metadata services of other
 * clouds.
 */
const internalRanges = [
  // Azure's WireServer: agent, DNS, health probes.
  "168.63.129.16/32",
  // Default service range of Google Kubernetes Engine.
  "34.118.224.0/20",
].map((range) => ipaddr.IPv4.parseCIDR(range));

/** Whether an address is on the public internet; false for special ranges and for invalid addresses. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4 && internalRanges.some((range) => parsed.match(range))) {
    return false;
  }
  // Nothing outside 2000::/3 is public, but ipaddr.js calls some of those addresses unicast, for example ::7f00:1.
  const isAssigned = parsed instanceof ipaddr.IPv4 || parsed.match(ipaddr.parseCIDR("2000::/3"));
  return isAssigned && parsed.range() === "unicast";
}

export class PrivateAddressError extends Error {
  constructor(host: string) {
    super(
      `${host} is not on the public internet; ALLOW_PRIVATE_ADDRESSES=true permits such addresses.`,
    );
  }
}

/**
 * Creates a `lookup` for node:http that returns only addresses that `isAllowed` accepts. The socket connects to exactly
 * these addresses, which defeats DNS rebinding. Literal addresses skip the lookup: check them first.
 */
export function createGuardedLookup(isAllowed: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const allowed = addresses.filter(({ address }) => isAllowed(address));
      const [first] = allowed;
      if (!first) return callback(new PrivateAddressError(hostname), []);
      if (options.all) return callback(null, allowed);
      callback(null, first.address, first.family);
    });
  };
}

/** Returns the literal IP address in a URL's host, or null for a host name. */
export function literalAddress(url: URL): string | null {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return isIP(host) ? host : null;
}
