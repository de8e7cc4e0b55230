import { useState } from "preact/hooks";
import type { Webhook } from "@toril/client";
import { client } from "../../app/api.ts";
import { Action } from "../../ui/action.tsx";
import { CheckList } from "../../ui/check-list.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Text } from "../../ui/fields.tsx";
import { SecretDialog } from "../../ui/secret-dialog.tsx";

type Event = Webhook["events"][number];

/** Complete: a missing event does not compile. */
const shown: Readonly<Record<Event, true>> = {
  "job.completed": true,
  "job.dead": true,
  "job.expired": true,
  "job.cancelled": true,
  "import.done": true,
  "schedule.missed": true,
  callback: true,
};
const events = Object.keys(shown) as Event[];
const filters = ["types", "queues", "labels"] as const;

export interface WebhookDialogProps {
  /** Undefined: a new webhook. */
  webhook: Webhook | undefined;
  onClose(): void;
  /** A new webhook has a secret. */
  onDone(secret: string | undefined): void;
}

/** Creates or edits a webhook. */
export function WebhookDialog({ webhook, onClose, onDone }: WebhookDialogProps) {
  const [name, setName] = useState(webhook?.name ?? "");
  const [url, setUrl] = useState(webhook?.url ?? "https://");
  const [chosen, setChosen] = useState<readonly Event[]>(
    webhook?.events ?? ["job.completed", "job.dead"],
  );
  const [only, setOnly] = useState(() => ({
    types: webhook?.types?.join(", ") ?? "",
    queues: webhook?.queues?.join(", ") ?? "",
    labels: webhook?.labels?.join(", ") ?? "",
  }));

  /** The event `callback` excludes the others. */
  function choose(next: readonly Event[]) {
    const added = next.at(-1);
    setChosen(next.filter((event) => (event === "callback") === (added === "callback")));
  }

  async function save() {
    const saved = await client.putWebhook(name, {
      url,
      events: [...chosen],
      types: toList(only.types),
      queues: toList(only.queues),
      labels: toList(only.labels),
    });
    onDone("secret" in saved ? saved.secret : undefined);
    return `The webhook ${name} is stored.`;
  }

  return (
    <Dialog
      title={webhook === undefined ? "Create a webhook" : `Edit ${webhook.name}`}
      onClose={onClose}
    >
      <div class="form">
        {webhook === undefined && <Text label="Name" required value={name} onChange={setName} />}
        <Text label="URL" required value={url} onChange={setUrl} />
        <CheckList title="Events" options={events} chosen={chosen} onChange={choose} />
        <div class="form-row">
          {filters.map((filter) => (
            <Text
              key={filter}
              label={`Only ${filter}`}
              hint="Separated by commas; empty: all"
              value={only[filter]}
              onChange={(value) => setOnly({ ...only, [filter]: value })}
            />
          ))}
        </div>
      </div>
      <div class="dialog-actions">
        <Action kind="primary" disabled={chosen.length === 0} run={save}>
          {webhook === undefined ? "Create" : "Save"}
        </Action>
      </div>
    </Dialog>
  );
}

interface WebhookSecretProps {
  secret: string;
  isRotated?: boolean;
  onClose(): void;
}

export function WebhookSecret({ secret, isRotated, onClose }: WebhookSecretProps) {
  const grace = isRotated ? " For one day, requests are signed with the previous secret, too." : "";
  return (
    <SecretDialog
      title="The secret of the webhook"
      purpose={`The endpoint verifies signatures with it.${grace}`}
      label="Secret"
      secret={secret}
      onClose={onClose}
    />
  );
}

function toList(text: string): string[] | null {
  const items = text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  return items.length === 0 ? null : items;
}
