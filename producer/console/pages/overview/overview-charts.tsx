import type { Overview, OverviewHistory } from "@toril/client";
import { client } from "../../app/api.ts";
import { setQuery, usePlace } from "../../app/router.ts";
import { useQuery } from "../../app/use-query.ts";
import { Chart } from "../../ui/chart.tsx";
import { Loaded } from "../../ui/layout.tsx";
import { formatCompact, formatRate } from "../../ui/numbers.ts";
import { formatDuration } from "../../ui/durations.ts";

const refreshMs = 15_000;
const ranges = ["6h", "24h", "7d"] as const satisfies OverviewHistory["range"][];
const titles = { "6h": "6 hours", "24h": "24 hours", "7d": "7 days" } as const;

/** The activity of the last 30 minutes, or of a longer period if the service can read it from Prometheus. */
export function Charts({ recent }: { recent: Overview }) {
  const chosen = usePlace().query.get("range");
  const range = ranges.find((range) => range === chosen);
  if (!recent.hasHistory) return <Lines {...recent} />;
  return (
    <section class="stack" aria-label="Activity">
      <div class="segments" role="group" aria-label="Period">
        <Period name="30 minutes" isCurrent={range === undefined} range={undefined} />
        {ranges.map((one) => (
          <Period key={one} name={titles[one]} isCurrent={one === range} range={one} />
        ))}
      </div>
      {range === undefined ? <Lines {...recent} /> : <History range={range} />}
    </section>
  );
}

interface PeriodProps {
  name: string;
  isCurrent: boolean;
  range: string | undefined;
}

function Period({ name, isCurrent, range }: PeriodProps) {
  return (
    <button
      class="button small"
      type="button"
      aria-pressed={isCurrent}
      onClick={() => setQuery({ range })}
    >
      {name}
    </button>
  );
}

function History({ range }: { range: OverviewHistory["range"] }) {
  const history = useQuery(
    `history ${range}`,
    (signal) => client.getOverviewHistory(range, { signal }),
    { refreshMs },
  );
  return <Loaded query={history}>{(found) => <Lines {...found} />}</Loaded>;
}

function Lines({ slots, slotMs }: Pick<OverviewHistory, "slots" | "slotMs">) {
  const times = slots.map(({ at }) => Date.parse(at));
  const pick = (name: "in" | "out" | "waiting" | "active" | "retried" | "dead" | "refused") =>
    slots.map((slot) => slot[name]);
  return (
    <div class="charts">
      <Chart
        title="Jobs per second"
        times={times}
        format={formatRate}
        series={[
          { label: "in", color: "accent", values: pick("in") },
          { label: "out", color: "good", values: pick("out") },
        ]}
      />
      <Chart
        title="Backlog"
        times={times}
        format={formatCompact}
        series={[
          { label: "waiting", color: "accent", values: pick("waiting") },
          { label: "active", color: "good", values: pick("active") },
        ]}
      />
      <Chart
        title="Oldest waiting job"
        times={times}
        format={formatDuration}
        series={[
          { label: "age", color: "accent", values: slots.map((slot) => slot.oldestWaitingMs) },
        ]}
      />
      <DurationChart
        title="Time to start"
        times={times}
        values={slots.map((slot) => slot.startMs)}
      />
      <DurationChart
        title="Time to settle"
        times={times}
        values={slots.map((slot) => slot.settleMs)}
      />
      <Chart
        title={`Failures per ${formatDuration(slotMs)}`}
        times={times}
        format={formatCompact}
        series={[
          { label: "dead", color: "bad", values: pick("dead") },
          { label: "retried", color: "warn", values: pick("retried") },
          { label: "refused", color: "muted", values: pick("refused") },
        ]}
      />
    </div>
  );
}

interface DurationChartProps {
  title: string;
  times: readonly number[];
  values: readonly OverviewHistory["slots"][number]["startMs"][];
}

function DurationChart({ title, times, values }: DurationChartProps) {
  return (
    <Chart
      title={title}
      times={times}
      format={formatDuration}
      series={[
        {
          label: "p95",
          color: "accent",
          values: values.map((quantiles) => quantiles?.p95 ?? null),
        },
        { label: "p50", color: "muted", values: values.map((quantiles) => quantiles?.p50 ?? null) },
      ]}
    />
  );
}
