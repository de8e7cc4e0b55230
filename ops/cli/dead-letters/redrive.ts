import type { Client, Operation, OperationRequest } from "@toril/client";
import {
  type Command,
  type CommandContext,
  parseNumber,
  type ParsedArguments,
  UsageError,
} from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { exitCodes } from "../output/exit-codes.ts";
import { printResult } from "../output/print-result.ts";
import { styleStatus } from "../output/style.ts";
import { deadLetterFilters } from "./list-dead.ts";

type Filter = OperationRequest["filter"];

const pollMs = 500;

export const redrive: Command = {
  summary: "redrive dead letters by id, or all that match; without --yes prints how many match",
  operands: ["id*"],
  options: {
    ...deadLetterFilters,
    import: { value: "ID", help: "only jobs of this import" },
    "created-after": { value: "TIME", help: "ISO 8601" },
    "created-before": { value: "TIME", help: "ISO 8601" },
    all: { help: "all dead letters; required without a filter" },
    rate: { value: "N", help: "maximum number of jobs per second" },
    yes: { short: "y", help: "redrive; without it, only count the matching dead letters" },
    wait: { help: "wait until the operation has ended" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const client = connect(parsed, context);
    const filter = parseFilter(parsed);
    const ratePerSecond = parseNumber(parsed, "rate", [1, 1_000_000]);
    const hasFilter = Object.values(filter).some((value) => value !== undefined);
    const all = parsed.flags.has("all");
    if (parsed.operands.length > 0) {
      if (hasFilter || all) throw new UsageError("ids and filters are mutually exclusive");
      return redriveIds(client, parsed, context);
    }
    if (hasFilter === all) {
      throw new UsageError("redrive takes ids, filters, or --all for all dead letters");
    }
    const request: OperationRequest = {
      action: "retry",
      filter: { ...filter, status: "dead" },
      ...(all ? { all } : {}),
      ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    };
    const { signal } = context;
    if (!parsed.flags.has("yes")) {
      const preview = await client.previewOperation(request, { signal });
      const count = `${preview.isExact ? "" : "at least "}${preview.matches}`;
      printResult(parsed, context, preview, () => `matching dead letters: ${count}`);
      if (preview.matches > 0) context.inform("Nothing was changed: --yes redrives them.");
      return exitCodes.ok;
    }
    const started = await client.createOperation(request, { signal });
    const operation = parsed.flags.has("wait")
      ? await waitForEnd(client, started, context)
      : started;
    printResult(parsed, context, operation, (style) => {
      const { id, status, counts } = operation;
      return `operation ${id}  ${styleStatus(style, status)}  changed ${counts.changed}  failed ${counts.failed}  skipped ${counts.skipped}`;
    });
    if (operation.status === "failed" || operation.status === "stopped") return exitCodes.failed;
    return operation.counts.failed > 0 ? exitCodes.rejected : exitCodes.ok;
  },
};

function parseFilter({ options }: ParsedArguments): Filter {
  const filter = {
    type: options["type"],
    queue: options["queue"],
    reason: options["reason"],
    label: options["label"],
    importId: options["import"],
    createdAfter: options["created-after"],
    createdBefore: options["created-before"],
  };
  // JSON omits undefined values.
  return filter as Filter;
}

async function redriveIds(client: Client, parsed: ParsedArguments, context: CommandContext) {
  const { signal } = context;
  const redriven = await client.redriveDeadLetters(parsed.operands, { signal });
  printResult(parsed, context, redriven, (style) =>
    redriven.results
      .map(
        ({ id, outcome }) => `${id}  ${outcome === "redriven" ? outcome : style("red", outcome)}`,
      )
      .join("\n"),
  );
  const { rejected } = redriven.counts;
  if (rejected === 0) return exitCodes.ok;
  const [first] = redriven.results;
  if (redriven.results.length > 1) return exitCodes.rejected;
  return first?.outcome === "not-found" ? exitCodes.notFound : exitCodes.conflict;
}

async function waitForEnd(
  client: Client,
  started: Operation,
  { signal, inform }: CommandContext,
): Promise<Operation> {
  let operation = started;
  let shown = "";
  while (operation.endedAt === null) {
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    operation = await client.getOperation(started.id, { signal });
    const text = `processed dead letters: ${operation.counts.seen}`;
    if (text !== shown) inform(text);
    shown = text;
  }
  return operation;
}
