import { BlockList, isIP } from "node:net";
import { z } from "zod";

/** A comma-separated list of addresses and networks, such as `10.0.0.0/8, ::1`. */
export const trustedProxiesField = z
  .string()
  .default("")
  .transform((text, context): BlockList => {
    const list = new BlockList();
    for (const part of text.split(",")) {
      const entry = part.trim();
      if (entry === "" || add(list, entry)) continue;
      context.addIssue({ code: "custom", message: "must be a list of addresses and networks" });
    }
    return list;
  });

/**
 * Returns the client's IP address. Each proxy appends its peer to X-Forwarded-For, so the header is read from its end
 * as long as the address before is a trusted proxy.
 */
export function clientAddress(
  socketAddress: string,
  forwardedFor: string | null,
  proxies: BlockList,
): string {
  let address = socketAddress;
  const hops = forwardedFor?.split(",") ?? [];
  while (hops.length > 0 && isIn(proxies, address)) {
    const hop = hops.pop()?.trim() ?? "";
    if (isIP(hop) === 0) break;
    address = hop;
  }
  return address;
}

function add(list: BlockList, entry: string): boolean {
  const [address = "", bits, ...rest] = entry.split("/");
  const version = isIP(address);
  const maxBits = version === 4 ? 32 : 128;
  if (version === 0 || rest.length > 0) return false;
  const prefix = bits === undefined ? maxBits : Number(bits);
  if (bits === "" || !Number.isInteger(prefix) || prefix < 0 || prefix > maxBits) return false;
  list.addSubnet(address, prefix, version === 4 ? "ipv4" : "ipv6");
  return true;
}

function isIn(list: BlockList, address: string): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  const version = isIP(plain);
  return version !== 0 && list.check(plain, version === 4 ? "ipv4" : "ipv6");
}

/** Whether a server bound to this host accepts connections from the local machine only. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
