import type { Client, FollowedEvent, FollowedImportEvent, FollowedJobEvent } from "@toril/client";
import { type Command, parseList, type ParsedArguments, UsageError } from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { toPrintable } from "../output/render-table.ts";
import { createStyle, type Style, styleStatus } from "../output/style.ts";

type Event = FollowedEvent | FollowedJobEvent | FollowedImportEvent;

export const tail: Command = {
  summary: "print events of jobs as they happen, until Ctrl-C; --json prints NDJSON",
  operands: [],
  options: {
    queue: { value: "Q", help: "only events of this queue" },
    job: { value: "ID", help: "events of one job, until it is finished" },
    import: { value: "ID", help: "counts of one import, until it is done" },
    type: { value: "T,U", help: "only jobs of these types" },
    events: { value: "E,F", help: "only these events, for example dead,failed" },
    after: { value: "ID", help: "resume after the event with this id" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const { print, inform, stdout, env, signal } = context;
    const types = parseList(parsed, "type");
    const names = parseList(parsed, "events");
    const style = createStyle(stdout, env);
    const stream = openStream(connect(parsed, context), parsed, signal);
    for await (const { id, event, data } of stream) {
      const isWanted =
        event === "gap" ||
        ((names === undefined || names.includes(event)) &&
          (types === undefined || types.includes(data.type)));
      if (!isWanted) continue;
      if (parsed.flags.has("json")) print(JSON.stringify({ id: id ?? null, event, data }));
      else if (event === "gap") inform(`Events of the queue ${data.queue} were missed.`);
      else print(renderEvent(event, data, style));
    }
  },
};

function openStream(
  client: Client,
  { options }: ParsedArguments,
  signal: AbortSignal,
): AsyncIterable<Event> {
  const { job, queue, import: importId, after: lastEventId } = options;
  if ([job, queue, importId].filter((one) => one !== undefined).length > 1) {
    throw new UsageError("--job, --queue and --import are mutually exclusive");
  }
  const follow = { signal, lastEventId };
  if (job !== undefined) return client.followJob(job, follow);
  if (importId !== undefined) return client.followImport(importId, follow);
  return queue === undefined ? client.followJobs(follow) : client.followQueue(queue, follow);
}

function renderEvent(event: string, data: Exclude<Event, { event: "gap" }>["data"], style: Style) {
  if ("counts" in data) {
    const counts = Object.entries(data.counts).map(([name, count]) => `${name} ${count}`);
    return `${styleStatus(style, data.status)}  ${counts.join("  ")}`;
  }
  const at = "at" in data ? data.at : new Date().toISOString();
  const name = event === "snapshot" ? data.status : event;
  const error = data.error ? `  ${data.error.name}: ${data.error.message}` : "";
  const progress = event === "progress" ? `  ${JSON.stringify(data.progress)}` : "";
  const text = toPrintable(`${data.id}  ${data.type}${progress}${error}`);
  return `${style("dim", at.slice(11, 23))}  ${styleStatus(style, name)}${" ".repeat(Math.max(0, 9 - name.length))}  ${text}`;
}
