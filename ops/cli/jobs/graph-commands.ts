import type { Graph, Job, ListChildrenQuery } from "@toril/client";
import { type Command, getOperand, parseChoice, parseNumber } from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { printResult } from "../output/print-result.ts";
import { readJsonFile } from "../output/read-input.ts";
import { parseWait, printEnded, writeOptions } from "./enqueue.ts";
import { maxLimit, statuses } from "./read-jobs.ts";
import { renderJob, renderJobs } from "./render-job.ts";

export const createGraph: Command = {
  summary: "enqueue a job graph; prints the id of its root",
  operands: ["file"],
  options: writeOptions,
  async run(parsed, context) {
    const timeoutMs = parseWait(parsed);
    const graph = (await readJsonFile(getOperand(parsed), context)) as Graph;
    const client = connect(parsed, context);
    const { signal } = context;
    const idempotencyKey = parsed.options["idempotency-key"];
    const accepted = await client.createGraph(graph, { signal, idempotencyKey });
    if (accepted.outcome === "duplicate") context.inform("A pending job has the key of the root.");
    if (timeoutMs !== undefined) return printEnded(parsed, context, accepted, timeoutMs);
    return printResult(parsed, context, accepted, () => accepted.id);
  },
};

export const showGraph: Command = {
  summary: "print a job with its children, in order of their ids",
  operands: ["id"],
  options: {
    status: {
      value: "S",
      choices: statuses,
      help: `only children that are ${statuses.join(", ")}`,
    },
    limit: { value: "N", help: `maximum number of children, at most ${maxLimit} (50)` },
    cursor: { value: "C", help: "`next` of an earlier list" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const status = parseChoice(parsed, "status", statuses);
    const limit = parseNumber(parsed, "limit", [1, maxLimit]) ?? 50;
    const client = connect(parsed, context);
    const { signal } = context;
    const job = await client.getJob(getOperand(parsed), { signal });
    const items: Job[] = [];
    let next: string | null = parsed.options["cursor"] ?? null;
    // A page may be short or empty although more children exist.
    do {
      const query = { status, limit: limit - items.length, cursor: next ?? undefined };
      // The client omits undefined values.
      const page = await client.listChildren(job.id, query as ListChildrenQuery, { signal });
      items.push(...page.items);
      next = page.next;
    } while (next !== null && items.length < limit);
    printResult(parsed, context, { job, items, next }, (style) =>
      [renderJob(job, style), ...(items.length === 0 ? [] : [renderJobs(items, style)])].join(
        "\n\n",
      ),
    );
    if (job.children === null) context.inform("The job waits for no other jobs.");
    if (next !== null) context.inform(`There may be more: --cursor ${next}`);
  },
};
