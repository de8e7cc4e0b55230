import type { Queue } from "@toril/client";
import { type Command, getOperand } from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { printResult } from "../output/print-result.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";
import type { Style } from "../output/style.ts";

const head = ["queue", "waiting", "active", "delayed", "in/s", "out/s", "oldest", "workers", ""];

export const listQueues: Command = {
  summary: "list queues with their jobs, rates and workers",
  operands: [],
  options: connectionOptions,
  async run(parsed, context) {
    const list = await connect(parsed, context).listQueues({ signal: context.signal });
    if (list.items.length === 0) context.inform("There are no queues.");
    printResult(parsed, context, list, (style) =>
      renderTable(
        head.map((title) => style("bold", title)),
        list.items.map((queue) => toRow(queue, style)),
      ),
    );
  },
};

export const pauseQueue: Command = {
  summary: "pause a queue: active jobs finish, no further job starts",
  operands: ["queue"],
  options: connectionOptions,
  async run(parsed, context) {
    const { signal } = context;
    const settings = await connect(parsed, context).pauseQueue(getOperand(parsed), { signal });
    printResult(parsed, context, settings, () => `paused ${toPrintable(settings.queue)}`);
  },
};

export const resumeQueue: Command = {
  summary: "resume a paused queue",
  operands: ["queue"],
  options: connectionOptions,
  async run(parsed, context) {
    const { signal } = context;
    const settings = await connect(parsed, context).resumeQueue(getOperand(parsed), { signal });
    printResult(parsed, context, settings, () => `resumed ${toPrintable(settings.queue)}`);
  },
};

function toRow(
  { name, counts, rates, oldestWaitingMs, workers, stockWorkers, paused }: Queue,
  style: Style,
) {
  const working = workers.length + (stockWorkers ?? 0);
  return [
    toPrintable(name),
    String(counts.waiting + counts.prioritized),
    String(counts.active),
    String(counts.delayed),
    rates === null ? "-" : rates.in.toFixed(1),
    rates === null ? "-" : rates.out.toFixed(1),
    `${Math.round(oldestWaitingMs / 1000)} s`,
    working === 0 ? style("yellow", "0") : String(working),
    paused ? style("yellow", "paused") : "",
  ];
}
