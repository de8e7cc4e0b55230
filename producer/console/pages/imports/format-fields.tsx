import { Select } from "../../ui/fields.tsx";
import { Table } from "../../ui/layout.tsx";
import { formatCount } from "../../ui/numbers.ts";
import { type Delimiter, delimiters, encodings, type FileFormat } from "./read-source.ts";

export interface FormatFieldsProps {
  format: FileFormat;
  onChange(format: FileFormat): void;
}

/** How a CSV file is read. */
export function FormatFields({ format, onChange }: FormatFieldsProps) {
  const { delimiter, encoding, header } = format;
  return (
    <>
      <Select
        label="Delimiter"
        value={delimiter}
        options={Object.keys(delimiters)}
        onChange={(value) => onChange({ ...format, delimiter: value as Delimiter })}
      />
      <Select
        label="Encoding"
        value={encoding}
        options={encodings}
        onChange={(value) => onChange({ ...format, encoding: value })}
      />
      <Select
        label="Header"
        value={header}
        options={["present", "absent"]}
        onChange={(value) => onChange({ ...format, header: value as FileFormat["header"] })}
      />
    </>
  );
}

/** Thousands of columns take a browser many seconds. */
const maxColumns = 50;

/** The first rows of a CSV file. */
export function FirstRows({ columns, rows }: { columns: string[]; rows: string[][] }) {
  return (
    <>
      <Table label="First rows" head={columns.slice(0, maxColumns)}>
        {rows.map((row, index) => (
          <tr key={index}>
            {row.slice(0, maxColumns).map((cell, column) => (
              <td key={column} class="cut" title={cell}>
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </Table>
      {columns.length > maxColumns && (
        <p class="hint">
          The first {maxColumns} of {formatCount(columns.length)} columns.
        </p>
      )}
    </>
  );
}
