import { useEffect, useRef, useState } from "preact/hooks";
import type { Schema, ServiceDocument } from "../app/service-document.ts";
import { Field, toTyped } from "./fields.tsx";

export interface SchemaFormProps {
  document: ServiceDocument;
  schema: Schema;
  value: unknown;
  onChange(value: unknown): void;
  /** Called when a text that is not JSON appears, and when the last one is corrected: the value has the text before. */
  onValid(isValid: boolean): void;
}

/** A form for an object of simple fields; any other schema is edited as JSON, as an object may be, too. */
export function SchemaForm({ document, schema, value, onChange, onValid }: SchemaFormProps) {
  const fields = Object.entries(schema.properties ?? {});
  const [isJson, setJson] = useState(fields.length === 0);
  const data = isObject(value) ? value : {};
  const invalid = useRef(new Set<string>());

  function note(name: string, isInvalid: boolean) {
    if (isInvalid) invalid.current.add(name);
    else invalid.current.delete(name);
    onValid(invalid.current.size === 0);
  }

  function change(name: string, field: unknown) {
    const { [name]: _, ...rest } = data;
    onChange(field === undefined ? rest : { ...rest, [name]: field });
  }

  return (
    <fieldset class="schema-form">
      <legend>
        Data{" "}
        {fields.length > 0 && (
          <button class="link" type="button" onClick={() => setJson(!isJson)}>
            {isJson ? "Edit as form" : "Edit as JSON"}
          </button>
        )}
      </legend>
      {isJson ? (
        <JsonField
          label="Data as JSON"
          value={value}
          onChange={onChange}
          onInvalid={(isInvalid) => note("", isInvalid)}
        />
      ) : (
        fields.map(([name, field]) => (
          <SchemaField
            key={name}
            name={name}
            schema={document.resolve(field)}
            isRequired={schema.required?.includes(name) ?? false}
            value={data[name]}
            onChange={(changed) => change(name, changed)}
            onInvalid={(isInvalid) => note(name, isInvalid)}
          />
        ))
      )}
    </fieldset>
  );
}

interface SchemaFieldProps {
  name: string;
  schema: Schema;
  isRequired: boolean;
  value: unknown;
  onChange(value: unknown): void;
  onInvalid(isInvalid: boolean): void;
}

function SchemaField({ name, schema, isRequired, value, ...on }: SchemaFieldProps) {
  const { onChange } = on;
  const label = isRequired ? name : `${name} (optional)`;
  const type = Array.isArray(schema.type) ? undefined : schema.type;
  if (schema.enum !== undefined && schema.enum.every((option) => typeof option === "string")) {
    return (
      <Field label={label} hint={schema.description}>
        <select
          value={typeof value === "string" ? value : ""}
          onChange={({ currentTarget }) => onChange(currentTarget.value || undefined)}
        >
          <option value="">–</option>
          {schema.enum.map((option) => (
            <option key={option} value={option}>
              {option}
            </option>
          ))}
        </select>
      </Field>
    );
  }
  if (type === "boolean") {
    return (
      <Field label={label} hint={schema.description}>
        <input
          type="checkbox"
          checked={value === true}
          onChange={({ currentTarget }) => onChange(currentTarget.checked)}
        />
      </Field>
    );
  }
  if (type === "string" || type === "integer" || type === "number") {
    const isNumber = type !== "string";
    return (
      <Field label={label} hint={schema.description}>
        <input
          {...toTyped(isNumber ? "number" : "text")}
          value={typeof value === "string" || typeof value === "number" ? value : ""}
          min={schema.minimum}
          max={schema.maximum}
          step={type === "number" ? "any" : undefined}
          maxLength={schema.maxLength}
          required={isRequired}
          spellcheck={false}
          onInput={({ currentTarget }) => {
            const text = currentTarget.value;
            if (isNumber) onChange(text === "" ? undefined : Number(text));
            else onChange(text === "" && !isRequired ? undefined : text);
          }}
        />
      </Field>
    );
  }
  return <JsonField label={`${label} as JSON`} value={value} hint={schema.description} {...on} />;
}

interface JsonFieldProps {
  label: string;
  hint?: string | undefined;
  value: unknown;
  onChange(value: unknown): void;
  onInvalid(isInvalid: boolean): void;
}

/** Keeps the text while it is not JSON, and says so. */
function JsonField({ label, hint, value, onChange, onInvalid }: JsonFieldProps) {
  const [text, setText] = useState(() => JSON.stringify(value, undefined, 2) ?? "");
  const [error, setError] = useState<string>();
  const isInvalid = error !== undefined;
  useEffect(() => {
    if (!isInvalid) return undefined;
    onInvalid(true);
    return () => onInvalid(false);
  }, [isInvalid]);
  function change(changed: string) {
    setText(changed);
    try {
      onChange(changed.trim() === "" ? undefined : JSON.parse(changed));
      setError(undefined);
    } catch (failure) {
      setError(String(failure));
    }
  }
  return (
    <Field label={label} hint={hint} error={error}>
      <textarea
        class="mono"
        rows={Math.min(Math.max(text.split("\n").length, 4), 20)}
        value={text}
        spellcheck={false}
        aria-invalid={isInvalid}
        onInput={({ currentTarget }) => change(currentTarget.value)}
      />
    </Field>
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
