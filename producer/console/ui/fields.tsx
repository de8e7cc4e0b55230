import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

export interface FieldProps {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  children: ComponentChildren;
}

/** A labelled input. */
export function Field({ label, hint, error, children }: FieldProps) {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
      {hint !== undefined && <small class="hint">{hint}</small>}
      {error !== undefined && <small class="error-text">{error}</small>}
    </label>
  );
}

export interface SelectProps {
  label: string;
  value: string;
  options: readonly string[];
  /** Text of the option that selects nothing; without it, there is none. */
  none?: string;
  hint?: string | undefined;
  disabled?: boolean;
  onChange(value: string): void;
}

export function Select({ label, value, options, none, hint, disabled, onChange }: SelectProps) {
  return (
    <Field label={label} hint={hint}>
      <select
        value={value}
        disabled={disabled}
        onChange={(event) => onChange(event.currentTarget.value)}
      >
        {none !== undefined && <option value="">{none}</option>}
        {options.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </Field>
  );
}

export interface TextProps {
  label: string;
  value: string;
  placeholder?: string;
  hint?: string | undefined;
  type?: "text" | "number" | "search" | "datetime-local";
  /** ID of the suggestions. */
  list?: string;
  required?: boolean;
  /** Called when the person has finished the value. */
  onChange(value: string): void;
}

/** A text input that keeps what is being typed while the page is rendered again. */
export function Text({ label, value, hint, type, onChange, ...attributes }: TextProps) {
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  return (
    <Field label={label} hint={hint}>
      <input
        {...toTyped(type ?? "text")}
        {...attributes}
        value={draft}
        spellcheck={false}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    </Field>
  );
}

/** Safe cast: the declared attributes differ by type, but not those in use here. */
export function toTyped(type: string) {
  return { type } as { type: "number" };
}

/** The name of a new resource, which cannot be changed later. */
export function NewName({ value, onChange }: Pick<TextProps, "value" | "onChange">) {
  const hint = "Letters, digits, dots, dashes and underscores";
  return <Text label="Name" hint={hint} required value={value} onChange={onChange} />;
}
