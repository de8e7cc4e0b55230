import { useState } from "preact/hooks";
import type { Webhook } from "@toril/client";
import { client } from "../../app/api.ts";
import { navigate, to } from "../../app/router.ts";
import { Action } from "../../ui/action.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Select, Text } from "../../ui/fields.tsx";
import { plural } from "../../ui/numbers.ts";
import { WebhookDialog, WebhookSecret } from "./webhook-dialog.tsx";

export interface WebhookActionsProps {
  webhook: Webhook;
  onChange(): void;
}

type Open = { kind: "edit" | "replay" | "delete" } | { kind: "secret"; secret: string };

/** What a person can do with a webhook. */
export function WebhookActions({ webhook, onChange }: WebhookActionsProps) {
  const { name, enabled } = webhook;
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  return (
    <>
      <Action
        run={async () => `The test event is ${(await client.testWebhook(name)).status}.`}
        onDone={onChange}
      >
        Send a test event
      </Action>
      <Action
        run={async () => {
          await (enabled ? client.disableWebhook(name) : client.enableWebhook(name));
          return enabled
            ? "The webhook is paused: events are not recorded."
            : "The webhook is enabled.";
        }}
        onDone={onChange}
      >
        {enabled ? "Pause" : "Enable"}
      </Action>
      <button class="button" type="button" onClick={() => setOpen({ kind: "replay" })}>
        Replay a time range
      </button>
      <Action
        run={async () => {
          setOpen({ kind: "secret", secret: (await client.rotateWebhook(name)).secret });
          return undefined;
        }}
        onDone={onChange}
      >
        Rotate the secret
      </Action>
      <button class="button" type="button" onClick={() => setOpen({ kind: "edit" })}>
        Edit
      </button>
      <button class="button danger" type="button" onClick={() => setOpen({ kind: "delete" })}>
        Delete
      </button>
      {open?.kind === "edit" && (
        <WebhookDialog
          webhook={webhook}
          onClose={close}
          onDone={() => {
            close();
            onChange();
          }}
        />
      )}
      {open?.kind === "secret" && <WebhookSecret secret={open.secret} isRotated onClose={close} />}
      {open?.kind === "replay" && <ReplayDialog name={name} onClose={close} onDone={onChange} />}
      {open?.kind === "delete" && (
        <Confirm
          title={`Delete the webhook ${name}`}
          action="Delete"
          run={async () => {
            await client.deleteWebhook(name);
            return `The webhook ${name} is deleted.`;
          }}
          onClose={close}
          onDone={() => navigate(to("/webhooks"))}
        >
          Its deliveries are deleted, too. This cannot be undone.
        </Confirm>
      )}
    </>
  );
}

interface ReplayDialogProps {
  name: string;
  onClose(): void;
  onDone(): void;
}

/** Sends the events of a time range again. */
function ReplayDialog({ name, onClose, onDone }: ReplayDialogProps) {
  const [from, setFrom] = useState(toLocal(Date.now() - 3_600_000));
  const [until, setUntil] = useState(toLocal(Date.now() + 60_000));
  const [status, setStatus] = useState("failed");

  async function replay() {
    let replayed = 0;
    for (let next: string | null = new Date(from).toISOString(); next !== null;) {
      const result: Awaited<ReturnType<typeof client.replayWebhookDeliveries>> =
        await client.replayWebhookDeliveries(name, {
          from: next,
          until: new Date(until).toISOString(),
          ...(status !== "" && { status: status as "failed" | "delivered" }),
        });
      replayed += result.replayed;
      next = result.next;
    }
    onClose();
    return `${plural(replayed, "event")} sent again.`;
  }

  return (
    <Dialog title="Replay a time range" onClose={onClose}>
      <div class="form">
        <div class="form-row">
          <Text type="datetime-local" label="From" value={from} onChange={setFrom} />
          <Text type="datetime-local" label="Until" value={until} onChange={setUntil} />
        </div>
        <Select
          label="Deliveries"
          value={status}
          options={["failed", "delivered"]}
          none="failed and delivered"
          onChange={setStatus}
        />
      </div>
      <div class="dialog-actions">
        <Action kind="primary" run={replay} onDone={onDone}>
          Replay
        </Action>
      </div>
    </Dialog>
  );
}

/** The value of an input for a time in the browser's time zone. */
function toLocal(ms: number): string {
  const offsetMs = new Date(ms).getTimezoneOffset() * 60_000;
  return new Date(ms - offsetMs).toISOString().slice(0, 16);
}
