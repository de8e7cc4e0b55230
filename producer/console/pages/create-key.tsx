import { useState } from "preact/hooks";
import type { IssuedApiKey } from "@toril/client";
import { client, createFirstKey } from "../app/api.ts";
import { useServiceDocument } from "../app/service-document.ts";
import { type Scope, useSession } from "../app/session.tsx";
import { Action } from "../ui/action.tsx";
import { CheckList } from "../ui/check-list.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Text } from "../ui/fields.tsx";
import { Loaded } from "../ui/layout.tsx";

export interface CreateKeyProps {
  onIssued(key: IssuedApiKey): void;
  onClose(): void;
}

/** Creates a key with the chosen scopes. */
export function CreateKey({ onIssued, onClose }: CreateKeyProps) {
  const { principal, renew } = useSession();
  // The first key turns on authentication.
  const isFirst = principal.kind === "open";
  const document = useServiceDocument();
  const [name, setName] = useState("");
  const [days, setDays] = useState("");
  const [chosen, setChosen] = useState<readonly Scope[]>();
  return (
    <Dialog title="Create a key" onClose={onClose}>
      {isFirst && (
        <p class="notice" data-tone="warn">
          The first key turns on authentication: all requests without a key will be refused. The
          console continues with this key.
        </p>
      )}
      <Text label="Name" hint="Owner or purpose" required value={name} onChange={setName} />
      <Loaded query={document}>
        {({ scopes }) => {
          const selected = chosen ?? (isFirst ? scopes : ["jobs:read"]);
          return (
            <>
              <CheckList title="Scopes" options={scopes} chosen={selected} onChange={setChosen} />
              <Text
                type="number"
                label="Expires in (days)"
                hint="Empty: never"
                value={days}
                onChange={setDays}
              />
              <div class="dialog-actions">
                <Action
                  kind="primary"
                  disabled={selected.length === 0}
                  run={async () => {
                    const expiresAt =
                      days === ""
                        ? null
                        : new Date(Date.now() + Number(days) * 86_400_000).toISOString();
                    const definition = { name, scopes: [...selected], expiresAt };
                    onIssued(
                      await (isFirst ? createFirstKey(definition) : client.createKey(definition)),
                    );
                    if (isFirst) renew();
                    return undefined;
                  }}
                >
                  Create
                </Action>
              </div>
            </>
          );
        }}
      </Loaded>
    </Dialog>
  );
}
