import {
  type AcceptedJob,
  JobNotCompletedError,
  ResultTimeoutError,
  type JobOptions,
} from "@toril/client";
import {
  type Command,
  type CommandContext,
  getOperand,
  parseChoice,
  parseDuration,
  parseList,
  parseNumber,
  type Options,
  type ParsedArguments,
} from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { exitCodes } from "../output/exit-codes.ts";
import { printResult } from "../output/print-result.ts";
import { readJson } from "../output/read-input.ts";
import { renderJob } from "./render-job.ts";

/** Options of the commands that enqueue. */
export const writeOptions: Options = {
  "idempotency-key": {
    value: "K",
    help: "a repeated command with this key creates no second job",
  },
  wait: { value: "60s", help: "wait for the end of the job; exit code 1 unless it completes" },
  ...connectionOptions,
};

const orders = ["fifo", "lifo"] as const;

export const enqueue: Command = {
  summary: "enqueue a job; prints its id",
  operands: ["type"],
  options: {
    data: { value: "JSON", help: "data of the job, - for standard input, or @FILE ({})" },
    "dedup-key": { value: "K", help: "key of the job: a pending job with this key is returned" },
    delay: { value: "15m", help: "delay before the first attempt" },
    "run-at": { value: "TIME", help: "earliest start time, ISO 8601" },
    "expires-at": { value: "TIME", help: "the job expires if it has not started by then" },
    priority: { value: "N", help: "1 is the highest priority" },
    order: { value: "ORDER", choices: orders, help: orders.join(" or ") },
    attempts: { value: "N", help: "maximum number of attempts" },
    timeout: { value: "30s", help: "maximum duration of one attempt" },
    labels: { value: "A,B", help: "labels, for searching" },
    ...writeOptions,
  },
  async run(parsed, context) {
    const { options } = parsed;
    const jobOptions = parseJobOptions(parsed);
    const timeoutMs = parseWait(parsed);
    const data = await readJson("data", options["data"] ?? "{}", context);
    const client = connect(parsed, context);
    const { signal } = context;
    const request = { ...jobOptions, type: getOperand(parsed), data };
    const idempotencyKey = options["idempotency-key"];
    const accepted = await client.createJob(request, { signal, idempotencyKey });
    if (timeoutMs === undefined) {
      if (accepted.outcome === "duplicate") context.inform("A pending job has this key.");
      return printResult(parsed, context, accepted, () => accepted.id);
    }
    return printEnded(parsed, context, accepted, timeoutMs);
  },
};

/** Waits until a job that was enqueued has ended, or for `timeoutMs`, and prints it. Returns the exit code. */
export async function printEnded(
  parsed: ParsedArguments,
  context: CommandContext,
  { id }: Pick<AcceptedJob, "id">,
  timeoutMs: number,
): Promise<number> {
  const { signal } = context;
  const client = connect(parsed, context);
  context.inform(`enqueued ${id}`);
  const isCompleted = await client.waitForResult(id, { timeoutMs, signal }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof ResultTimeoutError) context.inform(error.message);
      else if (!(error instanceof JobNotCompletedError)) throw error;
      return false;
    },
  );
  const job = await client.getJob(id, { signal });
  printResult(parsed, context, job, (style) => renderJob(job, style));
  return isCompleted ? exitCodes.ok : exitCodes.failed;
}

/** Returns how long to wait for the end of the job; undefined: not at all. */
export function parseWait({ options }: ParsedArguments): number | undefined {
  return parseOptionalDuration("wait", options["wait"]);
}

function parseJobOptions(parsed: ParsedArguments): JobOptions {
  const { options } = parsed;
  return {
    key: options["dedup-key"],
    delayMs: parseOptionalDuration("delay", options["delay"]),
    runAt: options["run-at"],
    expiresAt: options["expires-at"],
    priority: parseNumber(parsed, "priority", [1, 2_097_151]),
    order: parseChoice(parsed, "order", orders),
    attempts: parseNumber(parsed, "attempts", [1, 100]),
    timeoutMs: parseOptionalDuration("timeout", options["timeout"]),
    labels: parseList(parsed, "labels"),
  };
}

function parseOptionalDuration(option: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(option, text);
}
