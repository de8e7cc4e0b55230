import { useState } from "preact/hooks";

export interface DropZoneProps {
  title: string;
  hint?: string;
  onFile(file: File): void;
}

/** Takes a file that is dropped or chosen. */
export function DropZone({ title, hint, onFile }: DropZoneProps) {
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
      <strong>{title}</strong>
      <span class="muted">or choose one</span>
      {hint !== undefined && <span class="hint">{hint}</span>}
      <input
        type="file"
        accept=".csv,.tsv,.txt,.ndjson,.jsonl,.gz,text/csv"
        aria-label="File"
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0];
          if (file !== undefined) onFile(file);
        }}
      />
    </label>
  );
}
