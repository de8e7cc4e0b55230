import { client } from "../../app/api.ts";
import { useQuery } from "../../app/use-query.ts";
import { Loaded } from "../../ui/layout.tsx";
import { formatCount, plural } from "../../ui/numbers.ts";
import { RejectedRows } from "./rejected-rows.tsx";
import { UploadProgress } from "./upload-progress.tsx";
import { useUpload } from "./upload.ts";

/** What an import would do, after a dry run has read the file. */
export function DryRun({ id }: { id: string }) {
  const upload = useUpload(id);
  const isRead = upload === undefined || upload.status === "sent";
  return (
    <section class="stack" aria-label="Dry run">
      {isRead ? <Result id={id} /> : <UploadProgress id={id} upload={upload} />}
    </section>
  );
}

function Result({ id }: { id: string }) {
  const query = useQuery(`dry run ${id}`, (signal) => client.getImport(id, { signal }));
  return (
    <Loaded query={query}>
      {(found) => {
        const { read, accepted, duplicate, rejected } = found.counts;
        return (
          <>
            <p class="notice" data-tone={rejected > 0 ? "warn" : "good"} role="status">
              Dry run of {plural(read, "row")}: {formatCount(accepted)} would become jobs,{" "}
              {formatCount(duplicate)} are duplicates, {formatCount(rejected)} would be rejected.
            </p>
            {rejected > 0 && <RejectedRows found={found} />}
          </>
        );
      }}
    </Loaded>
  );
}
