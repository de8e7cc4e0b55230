import { Field } from "./fields.tsx";

/** An input of a time in the time zone of the browser; its value is ISO 8601. */
export function TimeField({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string;
  onChange(value: string): void;
}) {
  return (
    <Field label={label}>
      <input
        type="datetime-local"
        value={toLocal(value)}
        onChange={({ currentTarget }) =>
          onChange(currentTarget.value && new Date(currentTarget.value).toISOString())
        }
      />
    </Field>
  );
}

function toLocal(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
