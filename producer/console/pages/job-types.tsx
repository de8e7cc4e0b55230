import { useState } from "preact/hooks";
import type { JobTypeDescription } from "@toril/client";
import { client } from "../app/api.ts";
import { to } from "../app/router.ts";
import { IfCan } from "../app/session.tsx";
import { forgetServiceDocument } from "../app/service-document.ts";
import { Json } from "../ui/code.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Empty, Loaded, PageHead, Table } from "../ui/layout.tsx";
import { Pager, usePages } from "../ui/pager.tsx";
import { SecretDialog } from "../ui/secret-dialog.tsx";
import { Time } from "../ui/time.tsx";
import { JobTypeDialog } from "./job-type-dialog.tsx";

/** The job types of the tenant: those of the code, and those registered over HTTP. */
export function JobTypesPage() {
  const [shown, setShown] = useState<JobTypeDescription>();
  const [edited, setEdited] = useState<JobTypeDescription | "new">();
  const [secret, setSecret] = useState<string>();
  const [deleted, setDeleted] = useState<string>();
  const types = usePages("types", (cursor, signal) => client.listJobTypes({ cursor }, { signal }));
  const head = ["Type", "Source", "Queue", "Worker", "Attempts", "Changed", ""];
  return (
    <>
      <PageHead
        title="Job types"
        detail="Defined in code, or registered here or with PUT /v1/job-types/{type}"
      >
        <IfCan scope="types:admin">
          <button class="button primary" type="button" onClick={() => setEdited("new")}>
            Register a job type
          </button>
        </IfCan>
      </PageHead>
      <Loaded query={types}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No job types." />
          ) : (
            <Table label="Job types" head={head}>
              {items.map((jobType) => (
                <tr key={jobType.type}>
                  <td>
                    <a class="mono" href={to("/jobs", { type: jobType.type })}>
                      {jobType.type}
                    </a>
                  </td>
                  <td>{jobType.source === "code" ? "code" : `API, version ${jobType.version}`}</td>
                  <td>{jobType.queue}</td>
                  <td>{jobType.worker}</td>
                  <td class="number">{jobType.attempts}</td>
                  <td>
                    <Time at={jobType.updatedAt} />
                  </td>
                  <td class="actions">
                    <button
                      class="button small"
                      type="button"
                      aria-label={`Schema of ${jobType.type}`}
                      onClick={() => setShown(jobType)}
                    >
                      Schema
                    </button>
                    {jobType.source === "api" && (
                      <IfCan scope="types:admin">
                        <button
                          class="button small"
                          type="button"
                          aria-label={`Edit ${jobType.type}`}
                          onClick={() => setEdited(jobType)}
                        >
                          Edit
                        </button>
                        <button
                          class="button small danger"
                          type="button"
                          aria-label={`Delete ${jobType.type}`}
                          onClick={() => setDeleted(jobType.type)}
                        >
                          Delete
                        </button>
                      </IfCan>
                    )}
                    <IfCan scope="jobs:enqueue">
                      <a
                        class="button small"
                        aria-label={`Enqueue ${jobType.type}`}
                        href={to("/jobs/new", { type: jobType.type })}
                      >
                        Enqueue
                      </a>
                    </IfCan>
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </Loaded>
      <Pager query={types} />
      {deleted !== undefined && (
        <Confirm
          title={`Delete the job type ${deleted}`}
          action="Delete"
          run={async () => {
            await client.deleteJobType(deleted);
            forgetServiceDocument();
            return `The job type ${deleted} is deleted.`;
          }}
          onClose={() => setDeleted(undefined)}
          onDone={types.reload}
        >
          New jobs of this type will be refused. Finished jobs stay.
        </Confirm>
      )}
      {shown !== undefined && (
        <Dialog title={shown.type} onClose={() => setShown(undefined)}>
          <Json label="Schema of the data" value={shown.data} />
        </Dialog>
      )}
      {edited !== undefined && (
        <JobTypeDialog
          jobType={edited === "new" ? undefined : edited}
          onClose={() => setEdited(undefined)}
          onDone={(issued) => {
            setEdited(undefined);
            setSecret(issued);
            types.reload();
          }}
        />
      )}
      {secret !== undefined && (
        <SecretDialog
          title="The secret of the endpoint"
          purpose="The endpoint verifies the signatures of requests with it."
          label="Secret"
          secret={secret}
          onClose={() => setSecret(undefined)}
        />
      )}
    </>
  );
}
