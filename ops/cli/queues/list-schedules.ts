import type { Schedule } from "@toril/client";
import type { Command } from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { formatTime } from "../jobs/render-job.ts";
import { printResult } from "../output/print-result.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";

const head = ["name", "type", "when", "next", "last run"];

export const listSchedules: Command = {
  summary: "list schedules with their next and last fire times",
  operands: [],
  options: connectionOptions,
  async run(parsed, context) {
    const client = connect(parsed, context);
    const items: Schedule[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.listSchedules({ cursor, limit: 500 }, { signal: context.signal });
      items.push(...page.items);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    if (items.length === 0) context.inform("There are no schedules.");
    printResult(parsed, context, { items }, (style) =>
      items.length === 0
        ? ""
        : renderTable(
            head.map((title) => style("bold", title)),
            items.map(toRow),
          ),
    );
  },
};

function toRow(schedule: Schedule): string[] {
  const { name, job, cron, everyMs, timeZone, nextAt, paused, lastRun } = schedule;
  return [
    toPrintable(name),
    toPrintable(job.type),
    toPrintable(cron === null ? `every ${everyMs ?? 0} ms` : `${cron} (${timeZone})`),
    paused ? "paused" : nextAt === null ? "ended" : formatTime(nextAt),
    lastRun === null ? "-" : `${lastRun.outcome} ${formatTime(lastRun.at)}`,
  ];
}
