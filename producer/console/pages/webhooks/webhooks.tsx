import { useState } from "preact/hooks";
import type { Webhook } from "@toril/client";
import { client } from "../../app/api.ts";
import { to } from "../../app/router.ts";
import { IfCan } from "../../app/session.tsx";
import { Action } from "../../ui/action.tsx";
import { Empty, Loaded, PageHead, Table } from "../../ui/layout.tsx";
import { Pager, usePages } from "../../ui/pager.tsx";
import { Status } from "../../ui/status.tsx";
import { Time } from "../../ui/time.tsx";
import { WebhookDialog, WebhookSecret } from "./webhook-dialog.tsx";

/** The webhooks of the tenant. */
export function WebhooksPage() {
  const [isCreating, setCreating] = useState(false);
  const [secret, setSecret] = useState<string>();
  const webhooks = usePages(
    "webhooks",
    (cursor, signal) => client.listWebhooks({ cursor }, { signal }),
    5000,
  );
  return (
    <>
      <PageHead
        title="Webhooks"
        detail="Signed requests when jobs end, imports are done, or schedules are missed"
      >
        <IfCan scope="webhooks:admin">
          <button class="button primary" type="button" onClick={() => setCreating(true)}>
            Create a webhook
          </button>
        </IfCan>
      </PageHead>
      <Loaded query={webhooks}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No webhooks: polling, waiting and event streams need none." />
          ) : (
            <Table
              label="Webhooks"
              head={["Webhook", "State", "URL", "Events", "Failing since", ""]}
            >
              {items.map((webhook) => (
                <WebhookRow key={webhook.name} webhook={webhook} onChange={webhooks.reload} />
              ))}
            </Table>
          )
        }
      </Loaded>
      <Pager query={webhooks} />
      {isCreating && (
        <WebhookDialog
          webhook={undefined}
          onClose={() => setCreating(false)}
          onDone={(created) => {
            setCreating(false);
            setSecret(created);
            webhooks.reload();
          }}
        />
      )}
      {secret !== undefined && (
        <WebhookSecret secret={secret} onClose={() => setSecret(undefined)} />
      )}
    </>
  );
}

function WebhookRow({ webhook, onChange }: { webhook: Webhook; onChange(): void }) {
  const { name, enabled, disabledReason, url, events, failingSince } = webhook;
  return (
    <tr>
      <td>
        <a href={to(`/webhooks/${name}`)}>{name}</a>
      </td>
      <td>
        <Status value={enabled ? "active" : (disabledReason ?? "disabled")} />
      </td>
      <td class="mono wrap">{url}</td>
      <td class="wrap">
        {events.map((event) => (
          <span key={event} class="tag mono">
            {event}
          </span>
        ))}
      </td>
      <td>
        <Time at={failingSince} />
      </td>
      <td class="actions">
        <IfCan scope="webhooks:admin">
          <Action
            kind="small"
            label={`Test ${name}`}
            run={async () => {
              const { status } = await client.testWebhook(name);
              return `The test event is ${status}.`;
            }}
          >
            Test
          </Action>
          <Action
            kind="small"
            label={`${enabled ? "Disable" : "Enable"} ${name}`}
            run={async () => {
              await (enabled ? client.disableWebhook(name) : client.enableWebhook(name));
              return enabled ? "The webhook is disabled." : "The webhook is enabled.";
            }}
            onDone={onChange}
          >
            {enabled ? "Disable" : "Enable"}
          </Action>
        </IfCan>{" "}
      </td>
    </tr>
  );
}
