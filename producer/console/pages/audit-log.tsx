import type { AuditEntry, ListAuditQuery } from "@toril/client";
import { client } from "../app/api.ts";
import { setQuery, usePlace } from "../app/router.ts";
import { Text } from "../ui/fields.tsx";
import { Empty, Loaded, PageHead, Table } from "../ui/layout.tsx";
import { Pager, usePages } from "../ui/pager.tsx";
import { Status } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";
import { TimeField } from "../ui/time-field.tsx";

/** The audit log of the tenant, newest first; the search is part of the address. */
export function AuditLogPage() {
  const { query } = usePlace();
  const filter = toFilter(query);
  const entries = usePages(
    JSON.stringify(filter),
    (cursor, signal) => client.listAudit({ ...filter, ...(cursor && { cursor }) }, { signal }),
    5000,
  );
  return (
    <>
      <PageHead
        title="Audit log"
        detail="Every change and every failed attempt, with its actor; entries cannot be changed"
      />
      <AuditFilters query={query} />
      <Loaded query={entries}>
        {({ items, next }) =>
          items.length > 0 ? (
            <Table
              label="Audit log"
              head={["Outcome", "Time", "Actor", "Action", "Resource", "Address", "Request"]}
            >
              {items.map((entry) => (
                <EntryRow key={entry.seq} entry={entry} />
              ))}
            </Table>
          ) : next === null ? (
            <Empty title="No entry matches." />
          ) : (
            <Empty title="No match on this page, but more entries to search: go to the next page." />
          )
        }
      </Loaded>
      <Pager query={entries} />
    </>
  );
}

function EntryRow({ entry }: { entry: AuditEntry }) {
  const { outcome, at, actor, action, target, address, requestId } = entry;
  return (
    <tr>
      <td>
        <Status value={outcome} />
      </td>
      <td>
        <Time at={at} />
      </td>
      <Narrowing name="actor" value={actor} />
      <Narrowing name="action" value={action} />
      <Narrowing name="target" value={target} />
      <td class="mono">{address ?? "–"}</td>
      <td class="mono">{requestId ?? "–"}</td>
    </tr>
  );
}

/** A value that narrows the search to itself. */
function Narrowing({ name, value }: { name: "actor" | "action" | "target"; value: string }) {
  return (
    <td class="mono">
      <button class="link" type="button" onClick={() => setQuery({ [name]: value })}>
        {value}
      </button>
    </td>
  );
}

function AuditFilters({ query }: { query: URLSearchParams }) {
  const get = (name: string) => query.get(name) ?? "";
  const change = (name: string) => (value: string) => setQuery({ [name]: value.trim() });
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <Text label="Actor" value={get("actor")} placeholder="key:0mib…" onChange={change("actor")} />
      <Text
        label="Action"
        value={get("action")}
        placeholder="pauseQueue"
        onChange={change("action")}
      />
      <Text
        label="Resource"
        value={get("target")}
        placeholder="/v1/queues/default"
        onChange={change("target")}
      />
      <TimeField label="After" value={get("after")} onChange={change("after")} />
      <TimeField label="Before" value={get("before")} onChange={change("before")} />
    </form>
  );
}

function toFilter(query: URLSearchParams): ListAuditQuery {
  const names = ["actor", "action", "target", "after", "before"] as const;
  return Object.fromEntries(
    names.map((name) => [name, query.get(name) ?? ""]).filter(([, value]) => value !== ""),
  );
}
