import { useEffect, useState } from "preact/hooks";
import type { Import } from "@toril/client";
import { client, describeError } from "../app/api.ts";
import type { PageProps } from "../app/page-props.ts";
import { to } from "../app/router.ts";
import { useCan } from "../app/session.tsx";
import { useQuery } from "../app/use-query.ts";
import { Action } from "../ui/action.tsx";
import { Card, Empty, Loaded, PageHead, Table } from "../ui/layout.tsx";
import { formatCount } from "../ui/numbers.ts";
import { Status } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";

/** One import, live: its counts and its rejected rows. */
export function ImportPage({ id }: PageProps) {
  const query = useQuery(`import ${id}`, (signal) => client.getImport(id, { signal }));
  const can = useCan();
  const [live, setLive] = useState<Import>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    async function follow() {
      for await (const { data } of client.followImport(id, { signal })) setLive(data);
    }
    follow().catch((failure: unknown) => {
      if (!signal.aborted) setError(describeError(failure));
    });
    return () => abort.abort(new Error("the page was left"));
  }, [id]);
  return (
    <>
      <PageHead
        title="Import"
        detail={
          <>
            <a href={to("/imports")}>Imports</a> / <span class="mono">{id}</span>
          </>
        }
      >
        {can("jobs:change") &&
          (query.data?.status === "receiving" || query.data?.status === "running") && (
            <Action
              kind="danger"
              run={async () => {
                await client.cancelImport(id);
                return "The import is cancelled.";
              }}
              onDone={query.reload}
            >
              Cancel import
            </Action>
          )}
        <a class="button" href={to("/jobs", { importId: id })}>
          Jobs of the import
        </a>
      </PageHead>
      {error !== undefined && query.data !== undefined && (
        <p class="notice" data-tone="warn">
          Not live: {error}
        </p>
      )}
      <Loaded query={query}>{(found) => <ImportDetails found={live ?? found} />}</Loaded>
    </>
  );
}

function ImportDetails({ found }: { found: Import }) {
  const { status, type, counts, createdAt } = found;
  const ended = counts.completed + counts.dead + counts.cancelled + counts.expired;
  return (
    <div class="stack">
      <Card title="Progress" actions={<Status value={status} />}>
        <p class="progress">
          <progress max={Math.max(counts.accepted, 1)} value={ended} aria-label="Settled rows" />{" "}
          {formatCount(ended)} of {formatCount(counts.accepted)} settled
        </p>
        <dl class="numbers inline">
          {(["read", "accepted", "duplicate", "rejected", "completed", "dead"] as const).map(
            (name) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>
                  <strong>{formatCount(counts[name])}</strong>
                </dd>
              </div>
            ),
          )}
        </dl>
        <p class="muted">
          <span class="mono">{type}</span>, started <Time at={createdAt} />
        </p>
      </Card>
      <Rejected found={found} />
    </div>
  );
}

function Rejected({ found: { id, errors, counts } }: { found: Import }) {
  if (counts.rejected === 0) return <Empty title="No row was rejected." />;
  const rows = errors.map(({ line, problem }) => ({ line, text: describeProblem(problem) }));
  return (
    <Card
      title="Rejected rows"
      actions={
        <a class="button small" download={`rejected-${id}.csv`} href={toCsvUrl(rows)}>
          Download
        </a>
      }
    >
      <Table label="Rejected rows" head={["Line", "Reason"]}>
        {rows.map(({ line, text }) => (
          <tr key={line}>
            <td class="number">{line}</td>
            <td class="wrap">{text}</td>
          </tr>
        ))}
      </Table>
      {counts.rejected > errors.length && (
        <p class="hint">
          The first {formatCount(errors.length)} of {formatCount(counts.rejected)}.
        </p>
      )}
    </Card>
  );
}

function describeProblem({ title, detail, errors = [] }: Import["errors"][number]["problem"]) {
  const fields = errors.map(({ pointer, detail }) => `${pointer}: ${detail}`);
  return [detail ?? title, ...fields].join(" ");
}

function toCsvUrl(rows: readonly { line: number; text: string }[]): string {
  const lines = rows.map(({ line, text }) => `${line},"${text.replaceAll('"', '""')}"`);
  return `data:text/csv;charset=utf-8,${encodeURIComponent(["line,reason", ...lines].join("\n"))}`;
}
