import { useState } from "preact/hooks";
import type { Import } from "@toril/client";
import { describeError } from "../../app/api.ts";
import { DropZone } from "../../ui/drop-zone.tsx";
import { Card } from "../../ui/layout.tsx";
import { toast } from "../../ui/toast.tsx";
import { FormatFields } from "./format-fields.tsx";
import { type FileFormat, openSource, type Source } from "./read-source.ts";
import { startUpload } from "./upload.ts";

/** Continues an import whose page was closed: the same file again, of which only the missing parts are sent. */
export function ResumeUpload({ found: { id, parts } }: { found: Import }) {
  const [source, setSource] = useState<Source>();
  const [format, setFormat] = useState<FileFormat>();
  async function choose(file: File) {
    try {
      const opened = await openSource(file);
      setSource(opened);
      setFormat(opened.detected);
    } catch (error) {
      toast(describeError(error), true);
    }
  }
  return (
    <Card title="Continue the import">
      <div class="stack">
        <p>
          The service has {parts?.received ?? 0} parts of the file. Choose the same file: the parts
          that it has are not sent again.
        </p>
        <DropZone title="Drop the same file here" onFile={(file) => void choose(file)} />
        {source !== undefined && format !== undefined && (
          <>
            <p>{source.file.name}</p>
            {format.format === "csv" && (
              <div class="form-row">
                <FormatFields format={format} onChange={setFormat} />
              </div>
            )}
            <div class="form-actions">
              <button
                class="button primary"
                type="button"
                onClick={() => startUpload(id, source, format)}
              >
                Continue
              </button>
            </div>
          </>
        )}
      </div>
    </Card>
  );
}
