import { useState } from "preact/hooks";
import type { Operation, OperationRequest } from "@toril/client";
import { client } from "../app/api.ts";
import { to } from "../app/router.ts";
import { useQuery } from "../app/use-query.ts";
import { Action } from "../ui/action.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Text } from "../ui/fields.tsx";
import { Loaded } from "../ui/layout.tsx";
import { formatCount } from "../ui/numbers.ts";
import { OperationProgress } from "./operations.tsx";

export interface OperationDialogProps {
  title: string;
  request: Pick<OperationRequest, "action" | "filter">;
  onClose(): void;
  onStarted(): void;
}

/** Previews an operation on many jobs, starts it, and shows its progress. */
export function OperationDialog({ title, request, onClose, onStarted }: OperationDialogProps) {
  const [rate, setRate] = useState("");
  const [operation, setOperation] = useState<Operation>();
  const preview = useQuery(JSON.stringify(request), (signal) =>
    client.previewOperation(request, { signal }),
  );
  return (
    <Dialog title={title} onClose={onClose}>
      {operation === undefined ? (
        <Loaded query={preview}>
          {({ matches, isExact }) => (
            <>
              <p>
                <strong>
                  {formatCount(matches)}
                  {isExact ? "" : " or more"} {matches === 1 ? "job" : "jobs"}
                </strong>{" "}
                {request.action === "delete"
                  ? "will be deleted. This cannot be undone."
                  : "will be pending again."}
              </p>
              <div class="more">
                <Text
                  type="number"
                  label="Jobs per second"
                  hint="Slowly at first: 10 per second. Empty: as many as possible"
                  value={rate}
                  onChange={setRate}
                />
              </div>
              <div class="dialog-actions">
                <button class="button" type="button" onClick={onClose}>
                  Cancel
                </button>
                <Action
                  kind={request.action === "delete" ? "danger" : "primary"}
                  disabled={matches === 0}
                  run={async () => {
                    const ratePerSecond = rate === "" ? {} : { ratePerSecond: Number(rate) };
                    setOperation(await client.createOperation({ ...request, ...ratePerSecond }));
                    return undefined;
                  }}
                  onDone={onStarted}
                >
                  {request.action === "delete" ? "Delete" : "Redrive"}
                </Action>
              </div>
            </>
          )}
        </Loaded>
      ) : (
        <>
          <RunningOperation id={operation.id} onEnded={onStarted} />
          <div class="dialog-actions">
            <a class="button" href={to("/operations")}>
              All operations
            </a>
            <button class="button primary" type="button" onClick={onClose}>
              Close
            </button>
          </div>
        </>
      )}
    </Dialog>
  );
}

function RunningOperation({ id, onEnded }: { id: string; onEnded(): void }) {
  const operation = useQuery(
    `operation ${id}`,
    async (signal) => {
      const found = await client.getOperation(id, { signal });
      if (found.endedAt !== null) onEnded();
      return found;
    },
    { refreshMs: 700 },
  );
  return (
    <Loaded query={operation}>
      {(found) => <OperationProgress operation={found} onChange={operation.reload} />}
    </Loaded>
  );
}
