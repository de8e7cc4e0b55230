import { useState } from "preact/hooks";
import { client } from "../app/api.ts";
import { navigate, to } from "../app/router.ts";
import { useServiceDocument } from "../app/service-document.ts";
import { useCan, useSession } from "../app/session.tsx";
import { Action } from "../ui/action.tsx";
import { Select } from "../ui/fields.tsx";
import { Card, PageHead, Table } from "../ui/layout.tsx";
import { formatBytes } from "../ui/numbers.ts";
import { ImportList } from "./import-list.tsx";
import { charsets, delimiters, type FilePreview, previewFile } from "./preview-file.ts";

interface Chosen {
  file: File;
  preview: FilePreview;
}

/** Imports a CSV file: one job for each row. */
export function ImportsPage() {
  const can = useCan();
  const [chosen, setChosen] = useState<Chosen>();
  const choose = async (file: File) => setChosen({ file, preview: await previewFile(file) });
  return (
    <>
      <PageHead title="Imports" detail="One job for each row of a CSV file, of any size" />
      {can("jobs:enqueue") && (
        <div class="stack">
          <DropZone onFile={(file) => void choose(file)} />
          {chosen !== undefined && (
            <ImportForm key={`${chosen.file.name} ${chosen.file.size}`} chosen={chosen} />
          )}
        </div>
      )}
      {can("jobs:read") && <ImportList />}
    </>
  );
}

function DropZone({ onFile }: { onFile(file: File): void }) {
  const [isOver, setOver] = useState(false);
  return (
    <label
      class="drop-zone"
      data-over={isOver}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        const file = event.dataTransfer?.files[0];
        if (file !== undefined) onFile(file);
      }}
    >
      <strong>Drop a CSV file here</strong>
      <span class="muted">or choose one</span>
      <input
        type="file"
        accept=".csv,.tsv,.txt,text/csv"
        aria-label="CSV file"
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0];
          if (file !== undefined) onFile(file);
        }}
      />
    </label>
  );
}

function ImportForm({ chosen: { file, preview } }: { chosen: Chosen }) {
  const { principal } = useSession();
  const document = useServiceDocument();
  const types = (document.data?.types ?? []).filter(
    (one) => principal.types?.includes(one) ?? true,
  );
  const [type, setType] = useState("row.import");
  const [delimiter, setDelimiter] = useState(preview.delimiter);
  const [charset, setCharset] = useState(preview.charset);
  const [header = [], ...rows] = preview.read(charset, delimiter);
  return (
    <Card title={file.name} actions={<span class="muted">{formatBytes(file.size)}</span>}>
      <div class="stack">
        <div class="form-row">
          <Select label="Job type" value={type} options={types} onChange={setType} />
          <Select
            label="Delimiter"
            value={delimiter}
            options={Object.keys(delimiters)}
            onChange={(value) => setDelimiter(value as typeof delimiter)}
          />
          <Select label="Encoding" value={charset} options={charsets} onChange={setCharset} />
        </div>
        <Table label="First rows" head={header.map((name, index) => name || `column ${index + 1}`)}>
          {rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={column} class="cut" title={cell}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </Table>
        <div class="form-actions">
          <Action
            kind="primary"
            run={async () => {
              const contentType = `text/csv; charset=${charset}`;
              const created = await client.createImport(file, { type, delimiter, contentType });
              navigate(to(`/imports/${created.id}`));
              return undefined;
            }}
          >
            Import
          </Action>
        </div>
      </div>
    </Card>
  );
}
