import { useEffect, useState } from "preact/hooks";
import { client } from "../../app/api.ts";
import { navigate, to } from "../../app/router.ts";
import type { ServiceDocument } from "../../app/service-document.ts";
import { useSession } from "../../app/session.tsx";
import { Action } from "../../ui/action.tsx";
import { Select, Text } from "../../ui/fields.tsx";
import { Card } from "../../ui/layout.tsx";
import { formatBytes } from "../../ui/numbers.ts";
import { DryRun } from "./dry-run.tsx";
import { FirstRows, FormatFields } from "./format-fields.tsx";
import {
  type ColumnTarget,
  type Constant,
  findMappingProblem,
  getFields,
  suggestTargets,
  toMapping,
} from "./mapping.ts";
import { MappingTable } from "./mapping-table.tsx";
import type { FileFormat, Source } from "./read-source.ts";
import { startUpload } from "./upload.ts";

export interface ImportFormProps {
  source: Source;
  document: ServiceDocument;
}

/** Says how a file is read and what becomes of its columns; starts a dry run or the import. */
export function ImportForm({ source, document }: ImportFormProps) {
  const { principal } = useSession();
  const types = document.types.filter((one) => principal.types?.includes(one) ?? true);
  const [type, setType] = useState(types.includes("row.import") ? "row.import" : (types[0] ?? ""));
  const [format, setFormat] = useState<FileFormat>(source.detected);
  const [key, setKey] = useState("");
  const [maxErrors, setMaxErrors] = useState("");
  const [labels, setLabels] = useState("");
  const [constants, setConstants] = useState<Constant[]>([]);
  const [dryRun, setDryRun] = useState<string>();

  const { columns, rows, headerProblem } = source.readTable(format);
  const fields = getFields(document, type);
  const [targets, setTargets] = useState<ColumnTarget[]>(() => suggestTargets(columns, fields));
  useEffect(() => {
    setTargets(suggestTargets(columns, fields));
    setConstants([]);
  }, [type, format.delimiter, format.encoding, format.header]);

  const isCsv = format.format === "csv";
  const problem = headerProblem ?? findMappingProblem(fields, targets, constants);

  async function start(isDryRun: boolean): Promise<string> {
    const { delimiter, encoding, header } = format;
    const mapping = toMapping(columns, targets, constants);
    const names = labels.split(/[\s,]+/).filter((name) => name !== "");
    const { id } = await client.defineImport({
      type,
      format: format.format,
      ...(isCsv && { delimiter, encoding, header }),
      ...(mapping && { mapping }),
      ...(key !== "" && { key }),
      ...(maxErrors !== "" && { maxErrors: Number(maxErrors) }),
      ...(names.length > 0 && { options: { labels: names } }),
      dryRun: isDryRun,
    });
    startUpload(id, source, format);
    return id;
  }

  return (
    <Card
      title={source.file.name}
      actions={<span class="muted">{formatBytes(source.file.size)}</span>}
    >
      <div class="stack">
        <div class="form-row">
          <Select label="Job type" value={type} options={types} onChange={setType} />
          {isCsv && <FormatFields format={format} onChange={setFormat} />}
        </div>
        <FirstRows columns={columns} rows={rows} />
        <MappingTable
          {...{ columns, fields, targets, constants }}
          example={rows[0] ?? []}
          onTargets={setTargets}
          onConstants={setConstants}
        />
        <div class="form-row">
          <Text
            label="Key"
            value={key}
            hint="A column, or {Column}-{Column}: repeated rows are duplicates"
            onChange={setKey}
          />
          <Text
            type="number"
            label="Maximum of rejected rows"
            value={maxErrors}
            hint="Empty: any number"
            onChange={setMaxErrors}
          />
          <Text label="Labels" value={labels} hint="Separated by commas" onChange={setLabels} />
        </div>
        {problem !== undefined && <p class="error-text">{problem}</p>}
        {dryRun !== undefined && <DryRun key={dryRun} id={dryRun} />}
        <div class="form-actions">
          <Action
            disabled={problem !== undefined}
            run={async () => {
              setDryRun(await start(true));
              return undefined;
            }}
          >
            Dry run
          </Action>
          <Action
            kind="primary"
            disabled={problem !== undefined}
            run={async () => {
              navigate(to(`/imports/${await start(false)}`));
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
