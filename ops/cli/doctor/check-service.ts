import { type Client, ConnectionError, TorilError } from "@toril/client";
import type { Connection } from "../connection/connect.ts";
import type { Finding } from "./finding.ts";

/**
 * Checks that the service is reachable, ready and closed.
 * @param withoutKey a client of the same address that sends no key
 */
export async function checkService(
  { url, key }: Connection,
  client: Client,
  withoutKey: Client,
): Promise<Finding[]> {
  const { hostname, protocol } = new URL(url);
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  const readiness = await checkReadiness(url, client);
  if (readiness.some(({ check }) => check === "service-unreachable")) return readiness;
  const findings = [...readiness];
  if (!isLocal && (await isOpen(withoutKey))) {
    findings.push({
      check: "service-open",
      severity: "error",
      problem: `${url} accepts requests without a key: every client that reaches it can read, enqueue and cancel all jobs`,
      remedy:
        "Create a key: `toril keys create --name admin --scopes keys:admin`; every producer then requires keys",
    });
  }
  if (!isLocal && protocol === "http:" && key !== undefined) {
    findings.push({
      check: "service-plain-http",
      severity: "warning",
      problem: `The key is sent to ${hostname} without encryption`,
      remedy: "Use an https:// address (ops/caddy terminates TLS)",
    });
  }
  return findings;
}

async function checkReadiness(url: string, client: Client): Promise<Finding[]> {
  try {
    const { status, postgres, redis } = await client.getReadiness();
    if (status === "ok") return [];
    return [
      {
        check: "service-not-ready",
        severity: status === "degraded" ? "warning" : "error",
        problem: `The producer is ${status}: Postgres is ${postgres}, Redis is ${redis}`,
        remedy: "Repair the store that is unavailable; the log of the producer has the reason",
      },
    ];
  } catch (error) {
    if (!(error instanceof ConnectionError || error instanceof TorilError)) throw error;
    return [
      {
        check: "service-unreachable",
        severity: "error",
        problem: `No producer answers at ${url}: ${error.message}`,
        remedy:
          "Start a producer, or correct --url or TORIL_URL. In a container, HOST must be 0.0.0.0; check firewall and port mapping",
      },
    ];
  }
}

async function isOpen(withoutKey: Client): Promise<boolean> {
  try {
    await withoutKey.listJobs({ limit: 1 });
    return true;
  } catch {
    return false;
  }
}
