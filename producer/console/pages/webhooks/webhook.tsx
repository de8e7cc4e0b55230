import type { Webhook, WebhookDelivery } from "@toril/client";
import { client } from "../../app/api.ts";
import type { PageProps } from "../../app/page-props.ts";
import { to } from "../../app/router.ts";
import { IfCan } from "../../app/session.tsx";
import { useQuery } from "../../app/use-query.ts";
import { Action } from "../../ui/action.tsx";
import { Empty, Loaded, PageHead, Table } from "../../ui/layout.tsx";
import { Pager, usePages } from "../../ui/pager.tsx";
import { Status } from "../../ui/status.tsx";
import { formatDuration } from "../../ui/durations.ts";
import { Time } from "../../ui/time.tsx";
import { WebhookActions } from "./webhook-actions.tsx";

/** The deliveries of one webhook, newest first. */
export function WebhookPage({ id: name }: PageProps) {
  const webhook = useQuery(`webhook ${name}`, (signal) => client.getWebhook(name, { signal }), {
    refreshMs: 5000,
  });
  const deliveries = usePages(
    `deliveries ${name}`,
    (cursor, signal) => client.listWebhookDeliveries(name, { cursor }, { signal }),
    3000,
  );
  const head = [
    "Status",
    "Event",
    "Attempts",
    "Response",
    "Latency",
    "Created",
    "Next attempt",
    "",
  ];
  return (
    <>
      <PageHead title={`Webhook ${name}`} detail={<a href={to("/webhooks")}>Webhooks</a>}>
        <IfCan scope="webhooks:admin">
          {webhook.data !== undefined && (
            <WebhookActions
              webhook={webhook.data}
              onChange={() => {
                webhook.reload();
                deliveries.reload();
              }}
            />
          )}
        </IfCan>
      </PageHead>
      <Loaded query={webhook}>{(found) => <Definition webhook={found} />}</Loaded>
      <Loaded query={deliveries}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No deliveries yet: send a test event." />
          ) : (
            <Table label="Deliveries" head={head}>
              {items.map((delivery) => (
                <Delivery
                  key={delivery.id}
                  name={name}
                  delivery={delivery}
                  onChange={deliveries.reload}
                />
              ))}
            </Table>
          )
        }
      </Loaded>
      <Pager query={deliveries} />
    </>
  );
}

function Definition({ webhook }: { webhook: Webhook }) {
  const { enabled, disabledReason, url, events, types, queues, labels } = webhook;
  const { failingSince, pausedUntil } = webhook;
  const only = [...(types ?? []), ...(queues ?? []), ...(labels ?? [])];
  return (
    <dl class="facts card">
      <dt>State</dt>
      <dd>
        <Status value={enabled ? "active" : (disabledReason ?? "disabled")} />
      </dd>
      <dt>URL</dt>
      <dd class="mono">{url}</dd>
      <dt>Events</dt>
      <dd>
        {events.map((event) => (
          <span key={event} class="tag mono">
            {event}
          </span>
        ))}
        {only.length > 0 && <span class="muted">only {only.join(", ")}</span>}
      </dd>
      {failingSince !== null && (
        <>
          <dt>Failing since</dt>
          <dd>
            <Time at={failingSince} />
          </dd>
        </>
      )}
      {pausedUntil !== null && (
        <>
          <dt>Asked to wait until</dt>
          <dd>
            <Time at={pausedUntil} />
          </dd>
        </>
      )}
    </dl>
  );
}

interface DeliveryProps {
  name: string;
  delivery: WebhookDelivery;
  onChange(): void;
}

function Delivery({ name, delivery, onChange }: DeliveryProps) {
  const { id, status, event, attempts, response, error, latencyMs, createdAt, nextAt } = delivery;
  return (
    <tr>
      <td>
        <Status value={status} />
      </td>
      <td class="mono">{event}</td>
      <td class="number">{attempts}</td>
      <td class="wrap" title={response?.body}>
        {response?.status ?? error ?? "–"}
      </td>
      <td class="number">{latencyMs === null ? "–" : formatDuration(latencyMs)}</td>
      <td>
        <Time at={createdAt} />
      </td>
      <td>
        <Time at={nextAt} />
      </td>
      <td class="actions">
        <IfCan scope="webhooks:admin">
          <Action
            kind="small"
            label={`Replay ${id}`}
            run={async () => {
              await client.replayWebhookDelivery(name, id);
              return "The event is sent again.";
            }}
            onDone={onChange}
          >
            Replay
          </Action>
        </IfCan>{" "}
      </td>
    </tr>
  );
}
