import type { Operation } from "@toril/client";
import { client } from "../app/api.ts";
import { to } from "../app/router.ts";
import { useCan } from "../app/session.tsx";
import { Action } from "../ui/action.tsx";
import { Empty, Loaded, PageHead, Table } from "../ui/layout.tsx";
import { formatCount } from "../ui/numbers.ts";
import { Pager, usePages } from "../ui/pager.tsx";
import { Status } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";

const titles = { cancel: "Cancel", retry: "Retry", promote: "Promote", delete: "Delete" } as const;

/** The operations on many jobs, newest first. */
export function OperationsPage() {
  const operations = usePages(
    "operations",
    (cursor, signal) => client.listOperations({ cursor }, { signal }),
    2000,
  );
  return (
    <>
      <PageHead title="Operations" detail="Changes of many jobs in the background" />
      <Loaded query={operations}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No operations yet: redriving dead letters by reason starts one.">
              <a class="button" href={to("/dead-letters")}>
                Dead letters
              </a>
            </Empty>
          ) : (
            <Table
              label="Operations"
              head={[
                "Status",
                "Action",
                "Jobs",
                "Changed",
                "Skipped",
                "Failed",
                "Rate",
                "Started",
                "",
              ]}
            >
              {items.map((operation) => (
                <OperationRow
                  key={operation.id}
                  operation={operation}
                  onChange={operations.reload}
                />
              ))}
            </Table>
          )
        }
      </Loaded>
      <Pager query={operations} />
    </>
  );
}

interface OperationProps {
  operation: Operation;
  onChange(): void;
}

function OperationRow({ operation, onChange }: OperationProps) {
  const { status, action, filter, counts, ratePerSecond, createdAt } = operation;
  const filters = Object.entries(filter).map(([name, value]) => `${name}: ${value}`);
  return (
    <tr>
      <td>
        <Status value={status} />
      </td>
      <td>{titles[action]}</td>
      <td class="wrap">{filters.length === 0 ? "all" : filters.join(", ")}</td>
      <td class="number">{formatCount(counts.changed)}</td>
      <td class="number">{formatCount(counts.skipped)}</td>
      <td class="number">{formatCount(counts.failed)}</td>
      <td class="number">{ratePerSecond === null ? "–" : `${ratePerSecond}/s`}</td>
      <td>
        <Time at={createdAt} />
      </td>
      <td class="actions">
        <Stop operation={operation} onChange={onChange} />
      </td>
    </tr>
  );
}

function Stop({ operation: { id, endedAt }, onChange }: OperationProps) {
  const can = useCan();
  if (endedAt !== null || !can("operations:write")) return null;
  return (
    <Action
      kind="small"
      run={async () => {
        await client.stopOperation(id);
        return "The operation is stopped.";
      }}
      onDone={onChange}
    >
      Stop
    </Action>
  );
}

/** The progress of one operation. */
export function OperationProgress({ operation, onChange }: OperationProps) {
  const { status, counts, error } = operation;
  return (
    <div class="notice" role="status">
      <p>
        <Status value={status} /> {formatCount(counts.changed)} changed,{" "}
        {formatCount(counts.skipped)} skipped, {formatCount(counts.failed)} failed
        {error !== null && <span class="error-text"> {error}</span>}
      </p>
      <Stop operation={operation} onChange={onChange} />
    </div>
  );
}
