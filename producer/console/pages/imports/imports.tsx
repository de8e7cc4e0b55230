import { useState } from "preact/hooks";
import { describeError } from "../../app/api.ts";
import { useServiceDocument } from "../../app/service-document.ts";
import { useCan } from "../../app/session.tsx";
import { DropZone } from "../../ui/drop-zone.tsx";
import { Loaded, PageHead } from "../../ui/layout.tsx";
import { toast } from "../../ui/toast.tsx";
import { ImportForm } from "./import-form.tsx";
import { ImportList } from "./import-list.tsx";
import { openSource, type Source } from "./read-source.ts";

/** Imports a file: one job for each row. */
export function ImportsPage() {
  const can = useCan();
  const document = useServiceDocument();
  const [source, setSource] = useState<Source>();
  const choose = (file: File) =>
    openSource(file).then(setSource, (error: unknown) => toast(describeError(error), true));
  return (
    <>
      <PageHead title="Imports" detail="One job for each row of a file, of any size" />
      {can("jobs:enqueue") && (
        <div class="stack">
          <DropZone
            title="Drop a CSV or NDJSON file here"
            hint="Also compressed with gzip. Send Excel workbooks, JSON arrays and zstd with POST /v1/imports."
            onFile={(file) => void choose(file)}
          />
          {source !== undefined && (
            <Loaded query={document}>
              {(found) => (
                <ImportForm
                  key={`${source.file.name} ${source.file.size} ${source.file.lastModified}`}
                  source={source}
                  document={found}
                />
              )}
            </Loaded>
          )}
        </div>
      )}
      {can("jobs:read") && <ImportList />}
    </>
  );
}
