import { lookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";

/**
 * Addresses that look public and lead inside a cloud, as microsoft/AntiSSRF and the documentation of Azure and Google
 * Kubernetes Engine list them. The special ranges of the IANA registries are those of ipaddr.js; the metadata services of
 * other clouds are within them.
 */
const internalRanges = [
  // Azure's WireServer: agent, DNS, health probes.
  "168.63.129.16/32",
  // Services of Google Kubernetes Engine, by default.
  "34.118.224.0/20",
].map((range) => ipaddr.IPv4.parseCIDR(range));

/** True for an address of the public internet; false for everything with a special meaning, and for what is no address. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4 && internalRanges.some((range) => parsed.match(range))) {
    return false;
  }
  // Outside of 2000::/3 nothing is public, but ipaddr.js calls some of it unicast: ::7f00:1 for one.
  const isAssigned = parsed instanceof ipaddr.IPv4 || parsed.match(ipaddr.parseCIDR("2000::/3"));
  return isAssigned && parsed.range() === "unicast";
}

export class PrivateAddressError extends Error {
  constructor(host: string) {
    super(`${host} is not on the public internet.`);
  }
}

/**
 * A `lookup` for node:http that hands out only addresses `isAllowed` accepts. The socket connects to exactly those, so
 * a name that resolves differently a moment later changes nothing. Literal addresses never get here: check them before.
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

/** The address a URL's host spells out, or null when it is a name. */
export function literalAddress(url: URL): string | null {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return isIP(host) ? host : null;
}
