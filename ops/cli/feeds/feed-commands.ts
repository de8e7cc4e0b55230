import type { Feed } from "@toril/client";
import { type Command, getOperand } from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { formatTime } from "../jobs/render-job.ts";
import { printResult } from "../output/print-result.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";
import type { Style } from "../output/style.ts";

export const listFeeds: Command = {
  summary: "list feeds with their last and next fetch",
  operands: [],
  options: connectionOptions,
  async run(parsed, context) {
    const client = connect(parsed, context);
    const items: Feed[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.listFeeds({ cursor, limit: 500 }, { signal: context.signal });
      items.push(...page.items);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    if (items.length === 0) context.inform("No feed was fetched yet.");
    printResult(parsed, context, { items }, (style) => renderFeeds(items, style));
  },
};

export const fetchFeed: Command = {
  summary: "fetch a known feed now, even if polling ended",
  operands: ["url"],
  options: {
    source: { value: "NAME", help: "source of the feed, if not its URL" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const { source } = parsed.options;
    const feed = { url: getOperand(parsed), ...(source === undefined ? {} : { source }) };
    const job = await connect(parsed, context).fetchFeed(feed, { signal: context.signal });
    printResult(parsed, context, job, () => job.id);
  },
};

function renderFeeds(items: readonly Feed[], style: Style): string {
  if (items.length === 0) return "";
  return renderTable(
    ["source", "url", "last fetch", "status", "new", "changed", "failures", "next fetch"].map(
      (title) => style("bold", title),
    ),
    items.map(({ source, url, lastFetch, failures, endedAt, nextFetchAt }) => [
      toPrintable(source === url ? "-" : source),
      toPrintable(url),
      lastFetch === null ? "-" : formatTime(lastFetch.endedAt),
      describeStatus(lastFetch, style),
      String(lastFetch?.new ?? "-"),
      String(lastFetch?.changed ?? "-"),
      String(failures),
      endedAt === null ? (nextFetchAt === null ? "-" : formatTime(nextFetchAt)) : "ended (410)",
    ]),
  );
}

function describeStatus(lastFetch: Feed["lastFetch"], style: Style): string {
  if (lastFetch === null) return "-";
  const { status, error } = lastFetch;
  if (error === null) return String(status);
  return style("red", toPrintable(status === null ? error : `${status} ${error}`));
}
