import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Client, type Problem, TorilError } from "@toril/client";
import { type OpmlFeed, readOpml } from "@toril/contract/engine/feeds/read-opml";
import { feedFetch } from "@toril/contract/api/job-types/feed-fetch";
import { limits } from "@toril/contract/api/limits";
import { fieldErrors, toProblem } from "@toril/contract/api/problem";
import { type Command, getOperand, parseDuration, UsageError } from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { describeProblem, exitCodes } from "../output/exit-codes.ts";
import { printResult } from "../output/print-result.ts";
import { readAllBytes } from "../output/read-input.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";

type Scheduled =
  | { url: string; schedule: string; outcome: "scheduled" | "planned" }
  | { url: string; schedule: string; outcome: "refused"; problem: Problem };

export const importFeeds: Command = {
  summary: "create or update a schedule for each feed of an OPML file",
  operands: ["file"],
  options: {
    every: { value: "T", help: "interval of the polls, for example 15m (1h)" },
    "dry-run": { help: "print the feeds and change nothing" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const file = getOperand(parsed);
    const everyMs = parseDuration("every", parsed.options["every"] ?? "1h");
    if (everyMs < limits.everyMs.min) throw new UsageError("--every must be at least 1s");
    const feeds = parseFile(file, file === "-" ? await readAllBytes(context) : readFile(file));
    const client = connect(parsed, context);
    const results: Scheduled[] = [];
    for (const feed of feeds) {
      const planned = plan(feed);
      results.push(
        parsed.flags.has("dry-run") || planned.outcome === "refused"
          ? planned
          : await schedule(client, feed, planned, { everyMs, signal: context.signal }),
      );
    }
    if (results.length === 0) context.inform("The file has no feeds.");
    printResult(parsed, context, { results }, (style) =>
      renderTable(
        ["url", "schedule", "outcome"].map((title) => style("bold", title)),
        results.map(({ url, schedule, outcome }) => [
          toPrintable(url),
          schedule,
          style(outcome === "refused" ? "red" : "green", outcome),
        ]),
      ),
    );
    const refused = results.filter((result) => result.outcome === "refused");
    for (const { url, problem } of refused) {
      context.inform(`${toPrintable(url)}: ${describeProblem(problem)}`);
    }
    return refused.length > 0 ? exitCodes.rejected : exitCodes.ok;
  },
};

/** Validates the data of the job as the service does, so that a dry run refuses the same addresses. */
function plan(feed: OpmlFeed): Scheduled {
  const of = { url: feed.url, schedule: toScheduleName(feed) };
  const parsed = feedFetch.data.safeParse(toJobData(feed));
  if (parsed.success) return { ...of, outcome: "planned" };
  const errors = fieldErrors(parsed.error.issues, "/job/data");
  const { type, title, status } = toProblem("invalid-schedule");
  return { ...of, outcome: "refused", problem: { type, title, status, errors } };
}

/** Without a source, a URL may have at most 255 characters. */
function toJobData(feed: OpmlFeed) {
  const { url } = feed;
  return url.length > 255 ? { url, source: toScheduleName(feed) } : { url };
}

async function schedule(
  client: Client,
  feed: OpmlFeed,
  { schedule: name }: Scheduled,
  { everyMs, signal }: { everyMs: number; signal: AbortSignal },
): Promise<Scheduled> {
  const { url, title } = feed;
  // Feeds of one interval are fetched at different times, and at the same ones after a repetition.
  const from = new Date(Number.parseInt(hash(url).slice(0, 8), 16) % everyMs).toISOString();
  try {
    await client.putSchedule(
      name,
      {
        everyMs,
        from,
        job: { type: feedFetch.type, data: toJobData(feed) },
        ...(title ? { description: title.slice(0, limits.descriptionLength) } : {}),
      },
      { signal },
    );
    return { url, schedule: name, outcome: "scheduled" };
  } catch (error) {
    if (!(error instanceof TorilError) || error.problem.status !== 422) throw error;
    return { url, schedule: name, outcome: "refused", problem: error.problem };
  }
}

/** Returns the same name for the same URL. */
function toScheduleName({ url }: OpmlFeed): string {
  const words = url.replace(/^https?:\/\//i, "").replaceAll(/[^A-Za-z0-9]+/g, "-");
  return `feed-${words.slice(0, 60).replaceAll(/^-|-$/g, "")}-${hash(url).slice(0, 8)}`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function parseFile(file: string, bytes: Uint8Array): OpmlFeed[] {
  try {
    return readOpml(bytes);
  } catch (error) {
    throw new UsageError(`${file} is no OPML file: ${(error as Error).message}`, { cause: error });
  }
}

function readFile(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
