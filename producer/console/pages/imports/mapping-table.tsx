import { useState } from "preact/hooks";
import { Table } from "../../ui/layout.tsx";
import { formatCount } from "../../ui/numbers.ts";
import {
  type ColumnTarget,
  type Constant,
  type Conversion,
  conversions,
  type Field,
} from "./mapping.ts";

export interface MappingTableProps {
  columns: readonly string[];
  /** A row of the file, as an example. */
  example: readonly string[];
  /** Undefined: the rows may have any fields. */
  fields: readonly Field[] | undefined;
  targets: readonly ColumnTarget[];
  constants: readonly Constant[];
  onTargets(targets: ColumnTarget[]): void;
  onConstants(constants: Constant[]): void;
}

const columnsAtOnce = 100;

/** Says which field each column becomes, and how. */
export function MappingTable(props: MappingTableProps) {
  const { columns, example, fields, targets, constants, onTargets, onConstants } = props;
  const [shown, setShown] = useState(columnsAtOnce);
  const change = (index: number, changes: Partial<ColumnTarget>) =>
    onTargets(targets.map((one, at) => (at === index ? { ...one, ...changes } : one)));
  return (
    <>
      <Table label="Mapping" head={["Column", "Example", "Field", "Conversion"]}>
        {columns.slice(0, shown).map((column, index) => {
          const target = targets[index];
          if (target === undefined) return null;
          return (
            <tr key={index}>
              <td class="mono">{column}</td>
              <td class="cut muted">{example[index]}</td>
              <td>
                <FieldInput
                  label={`Field of ${column}`}
                  value={target.field}
                  fields={fields}
                  onChange={(field) => change(index, { field })}
                />
              </td>
              <td class="inputs">
                <select
                  aria-label={`Conversion of ${column}`}
                  value={target.conversion}
                  disabled={target.field === ""}
                  onChange={({ currentTarget }) =>
                    change(index, { conversion: currentTarget.value as Conversion })
                  }
                >
                  {conversions.map((one) => (
                    <option key={one}>{one}</option>
                  ))}
                </select>
                {target.conversion === "date" && (
                  <input
                    aria-label={`Date format of ${column}`}
                    value={target.format}
                    spellcheck={false}
                    onInput={({ currentTarget }) => change(index, { format: currentTarget.value })}
                  />
                )}
              </td>
            </tr>
          );
        })}
        {constants.map(({ field, value }, index) => {
          const update = (changes: Partial<Constant>) =>
            onConstants(constants.map((one, at) => (at === index ? { ...one, ...changes } : one)));
          return (
            <tr key={`constant ${index}`}>
              <td class="muted">constant</td>
              <td>
                <input
                  aria-label={`Value of constant ${index + 1}`}
                  placeholder="JSON or text"
                  value={value}
                  spellcheck={false}
                  onInput={({ currentTarget }) => update({ value: currentTarget.value })}
                />
              </td>
              <td>
                <FieldInput
                  label={`Field of constant ${index + 1}`}
                  value={field}
                  fields={fields}
                  onChange={(changed) => update({ field: changed })}
                />
              </td>
              <td>
                <button
                  class="link"
                  type="button"
                  aria-label={`Remove constant ${index + 1}`}
                  onClick={() => onConstants(constants.filter((_, at) => at !== index))}
                >
                  Remove
                </button>
              </td>
            </tr>
          );
        })}
      </Table>
      {columns.length > shown && (
        <button class="link start" type="button" onClick={() => setShown(shown + columnsAtOnce)}>
          More columns: {formatCount(shown)} of {formatCount(columns.length)} are shown, and all are
          imported
        </button>
      )}
      <button
        class="link start"
        type="button"
        onClick={() => onConstants([...constants, { field: "", value: "" }])}
      >
        Add a constant
      </button>
    </>
  );
}

interface FieldInputProps {
  label: string;
  value: string;
  fields: readonly Field[] | undefined;
  onChange(field: string): void;
}

function FieldInput({ label, value, fields, onChange }: FieldInputProps) {
  if (fields === undefined) {
    return (
      <input
        aria-label={label}
        placeholder="not used"
        value={value}
        spellcheck={false}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
    );
  }
  return (
    <select
      aria-label={label}
      value={value}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
    >
      <option value="">not used</option>
      {fields.map(({ name, isRequired }) => (
        <option key={name} value={name}>
          {isRequired ? `${name} (required)` : name}
        </option>
      ))}
    </select>
  );
}
