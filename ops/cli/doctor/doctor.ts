import { createClient } from "@toril/client";
import { ConfigError } from "@toril/contract/engine/config/config";
import { UserError } from "../../dev/user-error.ts";
import type { Command, CommandContext } from "../command.ts";
import { type Connection, connectionOptions, findConnection } from "../connection/connect.ts";
import { openStoreRedis } from "../connection/open-redis.ts";
import { exitCodes } from "../output/exit-codes.ts";
import { printResult } from "../output/print-result.ts";
import { toPrintable } from "../output/render-table.ts";
import type { Style } from "../output/style.ts";
import { checkJobs } from "./check-jobs.ts";
import { checkPostgres } from "./check-postgres.ts";
import { checkRedis } from "./check-redis.ts";
import { checkService } from "./check-service.ts";
import type { Finding } from "./finding.ts";

interface Report {
  findings: Finding[];
  /** Names of what was checked. */
  checked: string[];
  /** What could not be checked, and why. */
  skipped: { subject: string; reason: string }[];
}

export const doctor: Command = {
  summary:
    "check service, Redis and Postgres; print faults and remedies; exit code 1 with findings",
  operands: [],
  options: connectionOptions,
  async run(parsed, context) {
    const report: Report = { findings: [], checked: [], skipped: [] };
    await inspectService(report, findConnection(parsed, context));
    await inspectStores(report, context);
    printResult(parsed, context, report, (style) => renderReport(report, style));
    return report.findings.length > 0 ? exitCodes.failed : exitCodes.ok;
  },
};

async function inspectService(report: Report, connection: Connection): Promise<void> {
  const options = { baseUrl: connection.url, retry: false, timeoutMs: 10_000 };
  const client = createClient({ ...options, apiKey: connection.key });
  report.checked.push(`the service at ${connection.url}`);
  report.findings.push(...(await checkService(connection, client, createClient(options))));
}

async function inspectStores(report: Report, context: CommandContext): Promise<void> {
  const { redis, prefix } = openRedisOf(report, context);
  try {
    const isRedisUsable =
      redis !== undefined && (await inspect(report, "Redis", () => checkRedis(redis, prefix)));
    await context
      .withLedger(async (sql) => {
        const isPostgresUsable = await inspect(report, "Postgres", () => checkPostgres(sql));
        const isMigrated = !report.findings.some(({ check }) => check === "migrations");
        if (redis === undefined || !isRedisUsable || !isPostgresUsable || !isMigrated) return;
        await inspect(report, "pending jobs", () => checkJobs(sql, redis, prefix));
      })
      .catch((error: unknown) => {
        if (!(error instanceof ConfigError)) throw error;
        report.skipped.push({ subject: "Postgres", reason: error.message });
      });
  } finally {
    redis?.disconnect();
  }
}

function openRedisOf(report: Report, { env, directory }: CommandContext) {
  try {
    return openStoreRedis(env, directory);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    report.skipped.push({ subject: "Redis", reason: error.message });
    return { redis: undefined, prefix: "" };
  }
}

/** Runs the checks of a subject. Returns false if the subject is unavailable, which is a finding. */
async function inspect(
  report: Report,
  subject: string,
  check: () => Promise<Finding[]>,
): Promise<boolean> {
  try {
    report.findings.push(...(await check()));
    report.checked.push(subject);
    return true;
  } catch (error) {
    report.findings.push(toUnavailable(subject, error));
    return false;
  }
}

const addresses: Readonly<Record<string, string>> = {
  Redis: "REDIS_URL (default port 6379)",
  Postgres: "DATABASE_URL (default port 5432)",
};

function toUnavailable(subject: string, error: unknown): Finding {
  const reason =
    error instanceof UserError || error instanceof Error ? error.message : String(error);
  const cause = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
  const address = addresses[subject];
  return {
    check: `${subject.toLowerCase().replaceAll(" ", "-")}-unavailable`,
    severity: "error",
    problem: `${subject} cannot be checked: ${reason}${reason.includes("ECONN") ? "" : cause}`,
    remedy:
      address === undefined
        ? "See the findings about Redis and Postgres"
        : `Check host, port, user, password and TLS of ${address}, that the server runs, and firewalls in between`,
  };
}

function renderReport({ findings, checked, skipped }: Report, style: Style): string {
  const lines = findings.flatMap(({ check, severity, problem, remedy }) => [
    `${style(severity === "error" ? "red" : "yellow", severity)}  ${toPrintable(problem)} ${style("dim", `[${check}]`)}`,
    `  ${toPrintable(remedy)}`,
  ]);
  const summary =
    findings.length === 0
      ? style("green", `No problem found in ${checked.join(", ")}.`)
      : `${findings.length} ${findings.length === 1 ? "finding" : "findings"} in ${checked.join(", ")}.`;
  const notes = skipped.map(({ subject, reason }) => `Not checked: ${subject} (${reason}).`);
  return [...lines, summary, ...notes].join("\n");
}
