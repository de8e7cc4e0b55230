import { useState } from "preact/hooks";
import type { ApiKey, IssuedApiKey } from "@toril/client";
import { client } from "../app/api.ts";
import { IfCan } from "../app/session.tsx";
import { Action } from "../ui/action.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Empty, Loaded, PageHead, Table } from "../ui/layout.tsx";
import { Pager, usePages } from "../ui/pager.tsx";
import { SecretDialog } from "../ui/secret-dialog.tsx";
import { Status } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";
import { CreateKey } from "./create-key.tsx";
import { QuotaDialog, QuotaUse } from "./key-quotas.tsx";

type Open =
  | { kind: "create" }
  | { kind: "issued"; key: IssuedApiKey; isRotated: boolean }
  | { kind: "revoke" | "quotas"; key: ApiKey };

/** The API keys of the tenant. */
export function KeysPage() {
  const [open, setOpen] = useState<Open>();
  const keys = usePages(
    "keys",
    (cursor, signal) => client.listKeys({ cursor }, { signal }),
    10_000,
  );
  const close = () => setOpen(undefined);
  const onIssued = (key: IssuedApiKey, isRotated = false) => {
    setOpen({ kind: "issued", key, isRotated });
    keys.reload();
  };
  return (
    <>
      <PageHead title="API keys">
        <IfCan scope="keys:admin">
          <button class="button primary" type="button" onClick={() => setOpen({ kind: "create" })}>
            Create a key
          </button>
        </IfCan>
      </PageHead>
      <Loaded query={keys}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No API keys: everyone who reaches the service has full access.">
              <p class="muted">
                The first key turns on authentication. Give it the scope keys:admin.
              </p>
            </Empty>
          ) : (
            <Table
              label="API keys"
              head={[
                "State",
                "Name and ID",
                "Scopes and quota use",
                "Last used",
                "Expires",
                "Created",
                "",
              ]}
            >
              {items.map((key) => (
                <KeyRow
                  key={key.id}
                  apiKey={key}
                  onRotated={(issued) => onIssued(issued, true)}
                  onRevoke={() => setOpen({ kind: "revoke", key })}
                  onQuotas={() => setOpen({ kind: "quotas", key })}
                />
              ))}
            </Table>
          )
        }
      </Loaded>
      <Pager query={keys} />
      {open?.kind === "create" && <CreateKey onIssued={onIssued} onClose={close} />}
      {open?.kind === "issued" && (
        <SecretDialog
          title={`The key ${open.key.name}`}
          purpose={
            open.isRotated
              ? "The previous secret remains valid for one hour."
              : "Only its hash is stored."
          }
          label="Key"
          secret={open.key.key}
          onClose={close}
        />
      )}
      {open?.kind === "quotas" && (
        <QuotaDialog
          apiKey={open.key}
          onClose={close}
          onDone={() => {
            close();
            keys.reload();
          }}
        />
      )}
      {open?.kind === "revoke" && (
        <Confirm
          title={`Revoke the key ${open.key.name}`}
          action="Revoke"
          run={async () => {
            await client.revokeKey(open.key.id);
            return "The key is revoked.";
          }}
          onClose={close}
          onDone={keys.reload}
        >
          Every producer refuses the key within two seconds. This cannot be undone.
        </Confirm>
      )}
    </>
  );
}

interface KeyRowProps {
  apiKey: ApiKey;
  onRotated(key: IssuedApiKey): void;
  onRevoke(): void;
  onQuotas(): void;
}

function KeyRow({ apiKey, onRotated, onRevoke, onQuotas }: KeyRowProps) {
  const { id, name, scopes, queues, types, lastUsedAt, expiresAt, createdAt, revokedAt } = apiKey;
  const { quotas } = apiKey;
  const isExpired = expiresAt !== null && Date.parse(expiresAt) <= Date.now();
  const state = revokedAt !== null ? "revoked" : isExpired ? "expired" : "active";
  const limits = [...(queues ?? []), ...(types ?? [])];
  return (
    <tr>
      <td>
        <Status value={state === "active" ? "valid" : state} />
      </td>
      <td class="cut" title={name}>
        {name}
        <div class="mono muted">{id}</div>
      </td>
      <td class="wrap">
        {scopes.map((scope) => (
          <span key={scope} class="tag mono">
            {scope}
          </span>
        ))}
        {limits.length > 0 && <span class="muted">only {limits.join(", ")}</span>}
        {quotas !== null && <QuotaUse id={id} />}
      </td>
      <td>
        <Time at={lastUsedAt} />
      </td>
      <td>{expiresAt === null ? <span class="muted">never</span> : <Time at={expiresAt} />}</td>
      <td>
        <Time at={createdAt} />
      </td>
      <td class="actions">
        {state === "active" && (
          <IfCan scope="keys:admin">
            <button
              class="button small"
              type="button"
              aria-label={`Quotas of ${name}`}
              onClick={onQuotas}
            >
              Quotas
            </button>
            <Action
              kind="small"
              label={`Rotate ${name}`}
              run={async () => {
                onRotated(await client.rotateKey(id, { graceMs: 3_600_000 }));
                return undefined;
              }}
            >
              Rotate
            </Action>
            <button
              class="button small danger"
              type="button"
              aria-label={`Revoke ${name}`}
              onClick={onRevoke}
            >
              Revoke
            </button>
          </IfCan>
        )}
      </td>
    </tr>
  );
}
