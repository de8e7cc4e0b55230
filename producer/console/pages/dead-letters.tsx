import { useState } from "preact/hooks";
import type { DeadLetterSummary } from "@toril/client";
import { client } from "../app/api.ts";
import { setQuery, to, usePlace } from "../app/router.ts";
import { useCan } from "../app/session.tsx";
import { useQuery } from "../app/use-query.ts";
import { Action } from "../ui/action.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Empty, Loaded, PageHead, Table } from "../ui/layout.tsx";
import { formatCount } from "../ui/numbers.ts";
import { Pager, usePages } from "../ui/pager.tsx";
import { Time } from "../ui/time.tsx";
import { OperationDialog } from "./operation-dialog.tsx";

type Group = DeadLetterSummary["groups"][number];

/** Dead letters by type and reason; a group is inspected, redriven or deleted as a whole. */
export function DeadLettersPage() {
  const { query } = usePlace();
  const type = query.get("type");
  return (
    <>
      <PageHead
        title="Dead letters"
        detail={
          type !== null ? (
            <a href={to("/dead-letters")}>All groups</a>
          ) : (
            "Jobs that used all their attempts, or failed with a non-retryable error"
          )
        }
      />
      {type === null ? <Groups /> : <Letters type={type} reason={query.get("reason")} />}
    </>
  );
}

function Groups() {
  const can = useCan();
  const summary = useQuery("dead letters", (signal) => client.summarizeDeadLetters({ signal }), {
    refreshMs: 5000,
  });
  const [change, setChange] = useState<{ action: "retry" | "delete"; group: Group }>();
  const isPermitted = can("operations:write");
  return (
    <>
      <Loaded query={summary}>
        {({ groups, isComplete }) =>
          groups.length === 0 ? (
            <Empty title="No dead letters: every job has completed, or will be retried." />
          ) : (
            <>
              <Table label="Dead letters by type and reason" head={["Count", "Type", "Reason", ""]}>
                {groups.map((group) => (
                  <tr key={`${group.type} ${group.reason}`}>
                    <td class="number">
                      {formatCount(group.count)}
                      {group.isExact ? "" : "+"}
                    </td>
                    <td class="mono">{group.type}</td>
                    <td class="wrap">
                      <a
                        href={to("/dead-letters", {
                          type: group.type,
                          reason: group.reason ?? undefined,
                        })}
                      >
                        {group.reason ?? "No message"}
                      </a>
                    </td>
                    <td class="actions">
                      {isPermitted && (
                        <>
                          <button
                            class="button small"
                            type="button"
                            aria-label={`Redrive ${group.type}: ${group.reason}`}
                            onClick={() => setChange({ action: "retry", group })}
                          >
                            Redrive
                          </button>
                          <button
                            class="button small danger"
                            type="button"
                            aria-label={`Delete ${group.type}: ${group.reason}`}
                            onClick={() => setChange({ action: "delete", group })}
                          >
                            Delete
                          </button>
                        </>
                      )}
                    </td>
                  </tr>
                ))}
              </Table>
              {!isComplete && (
                <p class="hint">There are more groups; only the first 500 are counted.</p>
              )}
            </>
          )
        }
      </Loaded>
      {change !== undefined && (
        <OperationDialog
          title={change.action === "retry" ? "Redrive dead letters" : "Delete dead letters"}
          request={{
            action: change.action,
            filter: {
              status: "dead",
              type: change.group.type,
              ...(change.group.reason !== null && { reason: change.group.reason }),
            },
          }}
          onClose={() => setChange(undefined)}
          onStarted={summary.reload}
        />
      )}
    </>
  );
}

function Letters({ type, reason }: { type: string; reason: string | null }) {
  const can = useCan();
  const [deleted, setDeleted] = useState<string>();
  const letters = usePages(
    `${type} ${reason}`,
    (cursor, signal) =>
      client.listDeadLetters(
        { type, ...(reason !== null && { reason }), ...(cursor && { cursor }) },
        { signal },
      ),
    5000,
  );
  return (
    <>
      <p class="filter-line">
        <span class="tag mono">{type}</span>
        {reason !== null && (
          <>
            <span class="tag">{reason}</span>
            <button class="link" type="button" onClick={() => setQuery({ reason: undefined })}>
              All reasons
            </button>
          </>
        )}
      </p>
      <Loaded query={letters}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No dead letters of this type and reason." />
          ) : (
            <Table label="Dead letters" head={["Job", "Error", "Attempts", "Died", ""]}>
              {items.map(({ id, key, error, attempts, settledAt }) => (
                <tr key={id}>
                  <td>
                    <a class="mono" href={to(`/jobs/${id}`)}>
                      {key ?? id}
                    </a>
                  </td>
                  <td class="wrap">{error === null ? "–" : `${error.name}: ${error.message}`}</td>
                  <td class="number">{attempts.made}</td>
                  <td>
                    <Time at={settledAt} />
                  </td>
                  <td class="actions">
                    {can("jobs:change") && (
                      <>
                        <Action
                          kind="small"
                          label={`Redrive ${id}`}
                          run={async () => {
                            await client.redriveDeadLetter(id);
                            return "The job is pending again.";
                          }}
                          onDone={letters.reload}
                        >
                          Redrive
                        </Action>
                        <button
                          class="button small danger"
                          type="button"
                          aria-label={`Delete ${id}`}
                          onClick={() => setDeleted(id)}
                        >
                          Delete
                        </button>
                      </>
                    )}
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </Loaded>
      <Pager query={letters} />
      {deleted !== undefined && (
        <Confirm
          title="Delete the dead letter"
          action="Delete"
          run={async () => {
            await client.deleteDeadLetter(deleted);
            return "The dead letter is deleted.";
          }}
          onClose={() => setDeleted(undefined)}
          onDone={letters.reload}
        >
          The job <span class="mono">{deleted}</span> is deleted with its data and errors. This
          cannot be undone.
        </Confirm>
      )}
    </>
  );
}
