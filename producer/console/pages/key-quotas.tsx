import { useState } from "preact/hooks";
import type { ApiKey } from "@toril/client";
import { client } from "../app/api.ts";
import { useQuery } from "../app/use-query.ts";
import { Action } from "../ui/action.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Text } from "../ui/fields.tsx";
import { formatBytes, formatCount } from "../ui/numbers.ts";

/** How much of its quotas a key uses. */
export function QuotaUse({ id }: { id: string }) {
  const { data } = useQuery(`use of ${id}`, (signal) => client.getKeyUse(id, { signal }), {
    refreshMs: 5000,
  });
  if (data === undefined) return <span class="muted">…</span>;
  const { jobs, bytes, waiting } = data;
  return (
    <ul class="uses">
      {jobs !== null && (
        <Use
          what="jobs at once"
          used={jobs.available === null ? undefined : jobs.burst - jobs.available}
          max={jobs.burst}
          format={formatCount}
        />
      )}
      {bytes !== null && (
        <Use
          what="a second"
          used={bytes.available === null ? undefined : bytes.burst - bytes.available}
          max={bytes.burst}
          format={formatBytes}
        />
      )}
      {waiting !== null && (
        <Use what="pending jobs" used={waiting.pending} max={waiting.max} format={formatCount} />
      )}
    </ul>
  );
}

interface UseProps {
  what: string;
  /** Undefined: unknown. */
  used: number | undefined;
  max: number;
  format(value: number): string;
}

function Use({ what, used, max, format }: UseProps) {
  const text = used === undefined ? "?" : format(Math.max(0, Math.ceil(used)));
  return (
    <li>
      <meter value={used ?? 0} max={max} high={max * 0.9} aria-label={`Used: ${what}`} /> {text} of{" "}
      {format(max)} {what}
    </li>
  );
}

const quotas = {
  rate: "Jobs per second",
  burst: "Jobs at once",
  bytes: "Bytes per second",
  maxWaiting: "Pending jobs",
} as const;
type Quota = keyof typeof quotas;
const names = Object.keys(quotas) as Quota[];

export interface QuotaDialogProps {
  apiKey: ApiKey;
  onClose(): void;
  onDone(): void;
}

/** Changes the quotas of a key. */
export function QuotaDialog({ apiKey: { id, name, quotas: current }, ...on }: QuotaDialogProps) {
  const [values, setValues] = useState(() => {
    const toText = (quota: Quota) => [quota, String(current?.[quota] ?? "")] as const;
    return Object.fromEntries(names.map(toText)) as Record<Quota, string>;
  });

  async function save() {
    const changed = Object.fromEntries(
      names.map((quota) => [quota, values[quota] === "" ? null : Number(values[quota])]),
    );
    const isUnlimited = names.every((quota) => values[quota] === "");
    await client.changeKey(id, { quotas: isUnlimited ? null : changed });
    on.onDone();
    return `The quotas of ${name} are changed.`;
  }

  return (
    <Dialog title={`Quotas of ${name}`} onClose={on.onClose}>
      <div class="form">
        <div class="form-row">
          {names.map((quota) => (
            <Text
              key={quota}
              type="number"
              label={quotas[quota]}
              hint="Empty: unlimited"
              value={values[quota]}
              onChange={(value) => setValues((all) => ({ ...all, [quota]: value }))}
            />
          ))}
        </div>
      </div>
      <div class="dialog-actions">
        <Action kind="primary" run={save}>
          Save
        </Action>
      </div>
    </Dialog>
  );
}
