import { useState } from "preact/hooks";
import type { Schedule } from "@toril/client";
import { client } from "../app/api.ts";
import { useQuery } from "../app/use-query.ts";
import { Card, Loaded } from "../ui/layout.tsx";
import { plural } from "../ui/numbers.ts";
import { findClockChanges, findTicks } from "../ui/zoned-axis.ts";

const hourMs = 3_600_000;
const periods = { "24 hours": 24 * hourMs, "7 days": 168 * hourMs, "30 days": 720 * hourMs };
type Period = keyof typeof periods;

const refreshMs = 60_000;
/** As many as the API computes at once. A schedule with more runs in the period is drawn as a line after the last. */
const maxRuns = 100;

interface Span {
  from: number;
  to: number;
}

/** A run: its instant, and its local time in the time zone of the schedule. */
interface Run {
  at: number;
  local: string;
}

interface Row {
  name: string;
  timeZone: string;
  runs: Run[];
  hasMore: boolean;
}

/** The next runs of schedules, each in the time zone of its schedule, on one time axis. */
export function ScheduleTimeline({ schedules }: { schedules: readonly Schedule[] }) {
  const [period, setPeriod] = useState<Period>("24 hours");
  const active = schedules.filter(({ nextAt }) => nextAt !== null);
  const key = active.map(({ name, version }) => `${name} ${version}`).join();
  const rows = useQuery(
    `runs ${period} ${key}`,
    async (signal) => {
      const from = Date.now();
      const span = { from, to: from + periods[period] };
      const read = active.map((schedule) => readRow(schedule, span, signal));
      return { span, rows: (await Promise.all(read)).filter(({ runs }) => runs.length > 0) };
    },
    { refreshMs },
  );
  if (active.length === 0) return null;
  const choice = (
    <div class="segments" role="group" aria-label="Period">
      {(Object.keys(periods) as Period[]).map((one) => (
        <button
          key={one}
          class="button small"
          type="button"
          aria-pressed={one === period}
          onClick={() => setPeriod(one)}
        >
          {one}
        </button>
      ))}
    </div>
  );
  return (
    <Card title="Next runs" actions={choice}>
      <Loaded query={rows}>
        {(found) =>
          found.rows.length === 0 ? (
            <p class="muted">No schedule runs within {period}.</p>
          ) : (
            [...Map.groupBy(found.rows, ({ timeZone }) => timeZone)].map(([timeZone, rows]) => (
              <Zone key={timeZone} timeZone={timeZone} rows={rows} span={found.span} />
            ))
          )
        }
      </Loaded>
    </Card>
  );
}

async function readRow({ name }: Schedule, { to }: Span, signal: AbortSignal): Promise<Row> {
  const { timeZone, times } = await client.previewSchedule(name, { count: maxRuns }, { signal });
  const all = times.map(({ at, local }) => ({ at: Date.parse(at), local }));
  const runs = all.filter(({ at }) => at <= to);
  return { name, timeZone, runs, hasMore: runs.length === maxRuns };
}

/** The schedules of one time zone below their axis. */
function Zone({ timeZone, rows, span }: { timeZone: string; rows: Row[]; span: Span }) {
  const changes = findClockChanges(timeZone, span);
  return (
    <section class="runs-zone" aria-label={`Time zone ${timeZone}`}>
      <h3>{timeZone}</h3>
      <div class="runs-axis" aria-hidden="true">
        {findTicks(timeZone, span).map(({ at, text }) => (
          <span key={at} style={toPosition(at, span)}>
            {text}
          </span>
        ))}
      </div>
      {rows.map((row) => (
        <Runs key={row.name} row={row} span={span} changes={changes.map(({ at }) => at)} />
      ))}
      {changes.map(({ at, text }) => (
        <p key={at} class="hint">
          <span class="tag">clock change</span> {text}
        </p>
      ))}
    </section>
  );
}

interface RunsProps {
  row: Row;
  span: Span;
  changes: readonly number[];
}

/** The runs of one schedule: arrow keys move from run to run. */
function Runs({ row: { name, runs, hasMore }, span, changes }: RunsProps) {
  const [chosen, setChosen] = useState(0);
  const current = Math.min(chosen, runs.length - 1);
  const id = (index: number) => `run-${name}-${index}`;
  const move = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      Home: -maxRuns,
      End: maxRuns,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    setChosen(Math.max(0, Math.min(runs.length - 1, current + step)));
  };
  return (
    <div class="runs-row">
      <span class="runs-name" title={name}>
        {name}
      </span>
      <div
        class="runs-track"
        role="listbox"
        tabIndex={0}
        aria-orientation="horizontal"
        aria-label={`Next runs of ${name}`}
        aria-activedescendant={id(current)}
        onKeyDown={move}
      >
        {changes.map((at) => (
          <span key={at} class="runs-change" style={toPosition(at, span)} />
        ))}
        {hasMore && <span class="runs-more" style={toPosition(runs.at(-1)?.at ?? span.to, span)} />}
        {runs.map(({ at, local }, index) => (
          <span
            key={at}
            id={id(index)}
            class="run"
            role="option"
            aria-selected={index === current}
            aria-label={formatLocal(local)}
            title={formatLocal(local)}
            style={toPosition(at, span)}
            onClick={() => setChosen(index)}
          />
        ))}
      </div>
      <span class="runs-text muted">
        {formatLocal(runs[current]?.local ?? "")}
        {" · "}
        {hasMore ? `more than ${plural(maxRuns, "run")}` : plural(runs.length, "run")}
      </span>
    </div>
  );
}

/** Preact sets styles by script, which the content security policy permits. */
function toPosition(at: number, { from, to }: Span) {
  return { left: `${((at - from) / (to - from)) * 100}%` };
}

/** "2026-11-24T02:30:00+01:00" becomes "2026-11-24 02:30 +01:00". */
function formatLocal(local: string): string {
  return local
    .replace("T", " ")
    .replace(/:00(?=[+-])|:00(?=Z)/, "")
    .replace(/([+-]\d\d:\d\d)$/, " $1");
}
