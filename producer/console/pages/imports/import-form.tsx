import { useEffect, useState } from "preact/hooks";
import { client } from "../../app/api.ts";
import { navigate, to } from "../../app/router.ts";
import type { ServiceDocument } from "../../app/service-document.ts";
import { useSession } from "../../app/session.tsx";
import { Action } from "../../ui/action.tsx";
import { Code } from "../../ui/code.tsx";
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

  const rows = format.kind === "csv" ? source.readRows(format) : [];
  const [first = []] = rows;
  const hasHeader = format.header === "present";
  const columns = first.map((name, index) => (hasHeader && name) || `column${index + 1}`);
  const examples = hasHeader ? rows.slice(1) : rows;
  const fields = getFields(document, type);
  const [targets, setTargets] = useState<ColumnTarget[]>(() => suggestTargets(columns, fields));
  useEffect(() => {
    setTargets(suggestTargets(columns, fields));
    setConstants([]);
  }, [type, format.delimiter, format.encoding, format.header]);

  const isCsv = format.kind === "csv";
  const problem = isCsv ? findMappingProblem(fields, targets, constants) : undefined;

  const limits = {
    ...(key !== "" && { key }),
    ...(maxErrors !== "" && { maxErrors: Number(maxErrors) }),
  };

  async function start(isDryRun: boolean): Promise<string> {
    if (!isCsv) return (await sendLines(isDryRun)).id;
    const { delimiter, encoding, header } = format;
    const mapping = toMapping(columns, targets, constants);
    const names = labels.split(/[\s,]+/).filter((name) => name !== "");
    const { id } = await client.defineImport({
      type,
      delimiter,
      encoding,
      header,
      ...limits,
      ...(mapping && { mapping }),
      ...(names.length > 0 && { options: { labels: names } }),
      dryRun: isDryRun,
    });
    startUpload(id, source, format);
    return id;
  }

  /** NDJSON is sent in one request. */
  async function sendLines(isDryRun: boolean) {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    if (/\.gz$/i.test(source.file.name)) {
      for await (const chunk of source.read()) chunks.push(chunk);
    }
    return client.createImport(chunks.length > 0 ? new Blob(chunks) : source.file, {
      type,
      ...limits,
      contentType: "application/x-ndjson",
      dryRun: isDryRun ? "true" : "false",
    });
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
        {isCsv ? (
          <>
            <FirstRows columns={columns} rows={examples} />
            <MappingTable
              {...{ columns, fields, targets, constants }}
              example={examples[0] ?? []}
              onTargets={setTargets}
              onConstants={setConstants}
            />
          </>
        ) : (
          <Code label="First rows" text={source.lines.join("\n")} />
        )}
        <div class="form-row">
          <Text
            label="Key"
            value={key}
            hint={
              isCsv ? "A column, or {Column}-{Column}: repeated rows are duplicates" : "A member"
            }
            onChange={setKey}
          />
          <Text
            type="number"
            label="Maximum of rejected rows"
            value={maxErrors}
            hint="Empty: any number"
            onChange={setMaxErrors}
          />
          {isCsv && (
            <Text label="Labels" value={labels} hint="Separated by commas" onChange={setLabels} />
          )}
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
