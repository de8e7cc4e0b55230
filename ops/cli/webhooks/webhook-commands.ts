import type { Client, Webhook, WebhookDefinition } from "@toril/client";
import { type Command, getOperand, parseNumber, UsageError } from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { formatTime } from "../jobs/render-job.ts";
import { printResult } from "../output/print-result.ts";
import { readJson } from "../output/read-input.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";
import { type Style, styleStatus } from "../output/style.ts";

export const listWebhooks: Command = {
  summary: "list webhooks",
  operands: [],
  options: connectionOptions,
  async run(parsed, context) {
    const client = connect(parsed, context);
    const items: Webhook[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.listWebhooks({ cursor, limit: 500 }, { signal: context.signal });
      items.push(...page.items);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    if (items.length === 0) context.inform("There are no webhooks.");
    printResult(parsed, context, { items }, (style) =>
      items.length === 0 ? "" : renderWebhooks(items, style),
    );
  },
};

export const putWebhook: Command = {
  summary:
    "create or replace a webhook, from JSON as of PUT /v1/webhooks/{name}; prints a new secret once",
  operands: ["name"],
  options: {
    from: { value: "JSON", help: "the definition: JSON, - for standard input, or @FILE" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const { from } = parsed.options;
    if (from === undefined) throw new UsageError("--from is missing");
    const definition = (await readJson("from", from, context)) as WebhookDefinition;
    const { signal } = context;
    const webhook = await connect(parsed, context).putWebhook(getOperand(parsed), definition, {
      signal,
    });
    printResult(parsed, context, webhook, () => ("secret" in webhook ? webhook.secret : ""));
    if ("secret" in webhook) context.inform("The secret is shown once.");
  },
};

export const deleteWebhook: Command = createChange("delete a webhook", (client, name, signal) =>
  client.deleteWebhook(name, { signal }),
);
export const enableWebhook: Command = createChange("enable a webhook", (client, name, signal) =>
  client.enableWebhook(name, { signal }),
);
export const disableWebhook: Command = createChange("disable a webhook", (client, name, signal) =>
  client.disableWebhook(name, { signal }),
);

export const testWebhook: Command = {
  summary: "send a test event; `webhooks deliveries` shows the response",
  operands: ["name"],
  options: connectionOptions,
  async run(parsed, context) {
    const { signal } = context;
    const delivery = await connect(parsed, context).testWebhook(getOperand(parsed), { signal });
    printResult(parsed, context, delivery, () => delivery.id);
  },
};

export const listDeliveries: Command = {
  summary: "list the newest deliveries of a webhook",
  operands: ["name"],
  options: {
    limit: { value: "N", help: "maximum number of deliveries, at most 500 (50)" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const { signal } = context;
    const limit = parseNumber(parsed, "limit", [1, 500]) ?? 50;
    const client = connect(parsed, context);
    const page = await client.listWebhookDeliveries(getOperand(parsed), { limit }, { signal });
    printResult(parsed, context, page, (style) =>
      renderTable(
        ["id", "event", "status", "attempts", "created", "response"].map((title) =>
          style("bold", title),
        ),
        page.items.map(({ id, event, status, attempts, createdAt, response, error }) => [
          id,
          event,
          styleStatus(style, status),
          String(attempts),
          formatTime(createdAt),
          toPrintable(error ?? (response === null ? "-" : String(response.status))),
        ]),
      ),
    );
  },
};

export const replayDelivery: Command = {
  summary: "send an event again",
  operands: ["name", "id"],
  options: connectionOptions,
  async run(parsed, context) {
    const [name = "", id = ""] = parsed.operands;
    const { signal } = context;
    const delivery = await connect(parsed, context).replayWebhookDelivery(name, id, { signal });
    printResult(parsed, context, delivery, () => `${delivery.id}  ${delivery.status}`);
  },
};

function createChange(
  summary: string,
  change: (client: Client, name: string, signal: AbortSignal) => Promise<Webhook>,
): Command {
  return {
    summary,
    operands: ["name"],
    options: connectionOptions,
    async run(parsed, context) {
      const webhook = await change(connect(parsed, context), getOperand(parsed), context.signal);
      printResult(parsed, context, webhook, (style) => renderWebhooks([webhook], style));
    },
  };
}

function renderWebhooks(items: readonly Webhook[], style: Style): string {
  return renderTable(
    ["name", "url", "events", "state"].map((title) => style("bold", title)),
    items.map(({ name, url, events, enabled, disabledReason, failingSince }) => [
      toPrintable(name),
      toPrintable(url),
      events.join(","),
      enabled
        ? failingSince === null
          ? "enabled"
          : style("red", `failing since ${formatTime(failingSince)}`)
        : style("yellow", `disabled (${disabledReason ?? "-"})`),
    ]),
  );
}
