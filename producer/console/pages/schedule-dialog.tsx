import { useState } from "preact/hooks";
import type { Schedule } from "@toril/client";
import { client, describeError } from "../app/api.ts";
import { useServiceDocument } from "../app/service-document.ts";
import { useQuery } from "../app/use-query.ts";
import { Action } from "../ui/action.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { NewName, Select, Text } from "../ui/fields.tsx";
import { SchemaForm } from "../ui/schema-form.tsx";

export interface ScheduleDialogProps {
  /** Undefined: a new schedule. */
  schedule: Schedule | undefined;
  onClose(): void;
  onDone(): void;
}

const timeZones = Intl.supportedValuesOf("timeZone");

/** Edits a schedule, with a preview of its next runs. */
export function ScheduleDialog({ schedule, onClose, onDone }: ScheduleDialogProps) {
  const document = useServiceDocument();
  const [name, setName] = useState(schedule?.name ?? "");
  const [kind, setKind] = useState(schedule?.everyMs ? "interval" : "cron");
  const [cron, setCron] = useState(schedule?.cron ?? "0 3 * * *");
  const [seconds, setSeconds] = useState(String((schedule?.everyMs ?? 3_600_000) / 1000));
  const [timeZone, setTimeZone] = useState(
    schedule?.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
  );
  const [overlap, setOverlap] = useState<Schedule["overlap"]>(schedule?.overlap ?? "skip");
  const [misfire, setMisfire] = useState<Schedule["misfire"]>(schedule?.misfire ?? "catch-up");
  const types = document.data?.types ?? [];
  const [chosenType, setType] = useState<string | undefined>(schedule?.job.type);
  const type = chosenType ?? types[0] ?? "";
  const schema = document.data?.getDataSchema(type) ?? {};
  const [chosenData, setData] = useState<unknown>(schedule?.job.data);
  const data = chosenData ?? schema.example ?? {};
  const [isValid, setValid] = useState(true);

  const timing = {
    ...(kind === "cron" ? { cron } : { everyMs: Math.round(Number(seconds) * 1000) }),
    timeZone,
    ...(schedule?.from ? { from: schedule.from } : {}),
    ...(schedule?.until ? { until: schedule.until } : {}),
  };
  const definition = {
    ...timing,
    overlap,
    misfire,
    ...(schedule?.description ? { description: schedule.description } : {}),
    job: { ...schedule?.job, type, data },
  };
  return (
    <Dialog
      title={schedule === undefined ? "Create a schedule" : `Edit ${schedule.name}`}
      onClose={onClose}
    >
      <div class="form">
        {schedule === undefined && <NewName value={name} onChange={setName} />}
        <div class="form-row">
          <Select label="Runs" value={kind} options={["cron", "interval"]} onChange={setKind} />
          {kind === "cron" ? (
            <Text label="Cron expression" value={cron} onChange={setCron} />
          ) : (
            <Text type="number" label="Every (seconds)" value={seconds} onChange={setSeconds} />
          )}
        </div>
        <Text label="Time zone" list="time-zones" value={timeZone} onChange={setTimeZone} />
        <datalist id="time-zones">
          {timeZones.map((zone) => (
            <option key={zone} value={zone} />
          ))}
        </datalist>
        <NextRuns timing={timing} />
        <div class="form-row">
          <Select
            label="If the previous job is pending"
            value={overlap}
            options={["skip", "queue", "replace"]}
            onChange={(value) => setOverlap(value as Schedule["overlap"])}
          />
          <Select
            label="After downtime"
            value={misfire}
            options={["catch-up", "skip"]}
            onChange={(value) => setMisfire(value as Schedule["misfire"])}
          />
        </div>
        <Select
          label="Job type"
          value={type}
          options={types}
          onChange={(value) => {
            setType(value);
            setData(undefined);
          }}
        />
        {document.data !== undefined && (
          <SchemaForm
            key={type}
            document={document.data}
            schema={schema}
            value={data}
            onChange={setData}
            onValid={setValid}
          />
        )}
      </div>
      <div class="dialog-actions">
        <Action
          kind="primary"
          disabled={!isValid}
          run={async () => {
            await client.putSchedule(name, definition, schedule && { ifVersion: schedule.version });
            return `The schedule ${name} is stored.`;
          }}
          onDone={onDone}
        >
          Save
        </Action>
      </div>
    </Dialog>
  );
}

type Timing = Parameters<typeof client.previewDefinition>[0];

/** The next runs in the time zone of the schedule; a change of the clock is marked. */
function NextRuns({ timing }: { timing: Timing }) {
  const preview = useQuery(JSON.stringify(timing), (signal) =>
    client.previewDefinition(timing, { count: 5 }, { signal }),
  );
  if (preview.error !== undefined) {
    return <p class="next-runs error-text">{describeError(preview.error)}</p>;
  }
  const times = preview.data?.times ?? [];
  return (
    <div class="next-runs">
      <p class="hint">Next runs, local time of the schedule</p>
      <ol class="runs" aria-label="Next runs">
        {times.map(({ at, local }, index) => (
          <li key={at}>
            <time dateTime={at}>{local}</time>
            {isClockChange(local, times[index - 1]?.local) && <span class="tag">clock change</span>}
          </li>
        ))}
      </ol>
    </div>
  );
}

/** Whether the offset from UTC differs from that of the run before. */
function isClockChange(local: string, previous: string | undefined): boolean {
  const offset = (text: string) => /([+-]\d\d:\d\d)/.exec(text.slice(10))?.[1];
  return previous !== undefined && offset(local) !== offset(previous);
}
