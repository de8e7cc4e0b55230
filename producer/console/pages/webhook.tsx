import type { WebhookDelivery } from "@toril/client";
import { client } from "../app/api.ts";
import type { PageProps } from "../app/page-props.ts";
import { to } from "../app/router.ts";
import { Action } from "../ui/action.tsx";
import { Empty, Loaded, PageHead, Table } from "../ui/layout.tsx";
import { Pager, usePages } from "../ui/pager.tsx";
import { Status } from "../ui/status.tsx";
import { formatDuration, Time } from "../ui/time.tsx";

/** The deliveries of one webhook, newest first. */
export function WebhookPage({ id: name }: PageProps) {
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
      <PageHead title={`Webhook ${name}`} detail={<a href={to("/webhooks")}>Webhooks</a>} />
      <Loaded query={deliveries}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No deliveries yet: send a test event from the list of webhooks." />
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
      </td>
    </tr>
  );
}
