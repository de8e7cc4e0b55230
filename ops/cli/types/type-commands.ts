import type { JobTypeDescription, JobTypeRegistration } from "@toril/client";
import { type Command, getOperand, UsageError } from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { readJson } from "../output/read-input.ts";
import { printResult, renderFields } from "../output/print-result.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";

export const listTypes: Command = {
  summary: "list job types, ordered by name",
  operands: [],
  options: connectionOptions,
  async run(parsed, context) {
    const client = connect(parsed, context);
    const items: JobTypeDescription[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.listJobTypes({ cursor, limit: 500 }, { signal: context.signal });
      items.push(...page.items);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    printResult(parsed, context, { items }, (style) =>
      renderTable(
        ["type", "queue", "worker", "source", "version"].map((title) => style("bold", title)),
        items.map(({ type, queue, worker, source, version }) => [
          toPrintable(type),
          toPrintable(queue),
          worker,
          source,
          String(version),
        ]),
      ),
    );
  },
};

export const showType: Command = {
  summary: "print a job type with its schemas",
  operands: ["type"],
  options: connectionOptions,
  async run(parsed, context) {
    const { signal } = context;
    const type = await connect(parsed, context).getJobType(getOperand(parsed), { signal });
    printResult(parsed, context, type, () => renderType(type));
  },
};

export const putType: Command = {
  summary: "register or change a job type, from JSON as of PUT /v1/job-types/{type}",
  operands: ["type"],
  options: {
    from: { value: "JSON", help: "the registration: JSON, - for standard input, or @FILE" },
    force: { help: "allow a breaking change" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const { from } = parsed.options;
    if (from === undefined) throw new UsageError("--from is missing");
    const registration = (await readJson("from", from, context)) as JobTypeRegistration;
    const type = await connect(parsed, context).putJobType(getOperand(parsed), registration, {
      signal: context.signal,
      ...(parsed.flags.has("force") ? { force: true } : {}),
    });
    printResult(parsed, context, type, () => `${toPrintable(type.type)}  version ${type.version}`);
  },
};

export const deleteType: Command = {
  summary: "delete a registered job type",
  operands: ["type"],
  options: connectionOptions,
  async run(parsed, context) {
    const { signal } = context;
    const type = await connect(parsed, context).deleteJobType(getOperand(parsed), { signal });
    printResult(parsed, context, type, () => `deleted ${toPrintable(type.type)}`);
  },
};

function renderType(type: JobTypeDescription): string {
  return renderFields([
    ["type", toPrintable(type.type)],
    ["description", type.description === null ? null : toPrintable(type.description)],
    ["queue", toPrintable(type.queue)],
    ["worker", type.worker],
    ["source", type.source],
    ["version", String(type.version)],
    ["attempts", String(type.attempts)],
    ["timeout", type.timeoutMs === null ? null : `${type.timeoutMs} ms`],
    ["searchable", toPrintable(type.searchable.join(", "))],
    ["data", toPrintable(JSON.stringify(type.data))],
    ["result", type.result === null ? null : toPrintable(JSON.stringify(type.result))],
  ]);
}
