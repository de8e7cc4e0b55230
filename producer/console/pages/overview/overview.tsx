import type { Overview } from "@toril/client";
import { client } from "../../app/api.ts";
import { to } from "../../app/router.ts";
import { useNavigation } from "../../app/navigation.ts";
import { useCan, useRestricted, useSession } from "../../app/session.tsx";
import { useQuery } from "../../app/use-query.ts";
import { Card, Empty, Loaded, PageHead, Table } from "../../ui/layout.tsx";
import { formatBytes, formatCount, formatRate, plural } from "../../ui/numbers.ts";
import { Status } from "../../ui/status.tsx";
import { formatDuration } from "../../ui/durations.ts";
import { FirstRun } from "./first-run.tsx";
import { Charts } from "./overview-charts.tsx";
import { findProblems } from "./problems.ts";
import { ProblemList } from "./problem-list.tsx";
import { useOverview } from "./use-overview.ts";

/** The first page: the overview for those who may read it. */
export function OverviewPage() {
  return useCan()("metrics:read") ? <ServiceOverview /> : <Start />;
}

/** Leads callers without access to the overview to their pages. */
function Start() {
  const pages = useNavigation().flatMap(({ items }) => items);
  return (
    <>
      <PageHead title="Toril" />
      <Empty title="The overview requires the scope metrics:read.">
        {pages.length === 0 && <p class="muted">No page of the console is open to this key.</p>}
        <div class="page-actions">
          {pages.map(({ title, path }) => (
            <a key={path} class="button" href={to(path)}>
              {title}
            </a>
          ))}
        </div>
      </Empty>
    </>
  );
}

/** The state of the service: problems first, then its activity of the last 30 minutes. */
function ServiceOverview() {
  const can = useCan();
  const { tenant } = useSession().principal;
  const isWhole = !useRestricted() && tenant === "default";
  const overview = useOverview();
  const canReadJobs = can("jobs:read");
  const deadLetters = useQuery(
    `dead letters ${canReadJobs}`,
    async (signal) => (canReadJobs ? client.summarizeDeadLetters({ signal }) : undefined),
    { refreshMs: 10_000 },
  );
  const anyJob = useQuery(`any job ${canReadJobs}`, async (signal) =>
    canReadJobs ? client.listJobs({ limit: 1, omit: "payload" }, { signal }) : undefined,
  );
  const reload = () => {
    overview.reload();
    deadLetters.reload();
    anyJob.reload();
  };
  return (
    <>
      <PageHead
        title="Overview"
        detail={isWhole ? "The whole service, all tenants" : "The queues that the key may access"}
      />
      {overview.error !== undefined && (
        <p class="filter-line">
          <a href={to("/runbook")}>Runbook</a>
        </p>
      )}
      {anyJob.data?.items.length === 0 && <FirstRun onDone={reload} />}
      <Loaded query={overview}>
        {(found) => (
          <div class="stack">
            <ProblemList problems={findProblems(found, deadLetters.data)} onChange={reload} />
            <Numbers overview={found} />
            <Charts recent={found} />
            <Queues overview={found} />
          </div>
        )}
      </Loaded>
    </>
  );
}

function Numbers({ overview: { slots, queues, recent, redis, workers } }: { overview: Overview }) {
  const sum = (pick: (queue: Overview["queues"][number]) => number) =>
    queues.reduce((total, queue) => total + pick(queue), 0);
  const rate = (name: "in" | "out") =>
    slots.findLast((slot) => slot[name] !== null)?.[name] ?? null;
  const oldest = Math.max(0, ...queues.map(({ oldestWaitingMs }) => oldestWaitingMs));
  const dead = slots.reduce((total, slot) => total + slot.dead, 0);
  const refused = slots.reduce((total, slot) => total + slot.refused, 0);
  return (
    <dl class="numbers">
      <Value label="Jobs in" value={formatOr(rate("in"), formatRate)} unit="per second" />
      <Value label="Jobs out" value={formatOr(rate("out"), formatRate)} unit="per second" />
      <Value
        label="Waiting"
        value={formatCount(sum(({ waiting }) => waiting))}
        unit={oldest > 0 ? `oldest for ${formatDuration(oldest)}` : "none is due"}
      />
      <Value
        label="Active"
        value={formatCount(sum(({ active }) => active))}
        unit={`up to ${formatCount(sum(({ capacity }) => capacity))} handlers`}
      />
      <Value
        label="Workers"
        value={formatCount(workers.consumers + workers.pull + (workers.stock ?? 0))}
        unit={describeWorkers(workers)}
      />
      <Quantile label="Time to start" value={recent.startMs} />
      <Quantile label="Run time" value={recent.runMs} />
      <Quantile label="Time to settle" value={recent.settleMs} />
      <Quantile label="Commit time" value={recent.commitMs} />
      <Value label="Dead" value={formatCount(dead)} unit="in 30 min" />
      <Value label="Refused requests" value={formatCount(refused)} unit="in 30 min" />
      <Value
        label="Redis memory"
        value={formatBytes(redis.usedBytes)}
        unit={
          redis.maxBytes === null
            ? "no limit"
            : `${formatBytes(Math.max(0, redis.maxBytes - redis.usedBytes))} of ${formatBytes(redis.maxBytes)} free`
        }
      />
    </dl>
  );
}

function describeWorkers({ consumers, pull, stock, pushEndpoints }: Overview["workers"]) {
  return [
    plural(consumers, "consumer"),
    ...(pull > 0 ? [`${formatCount(pull)} pull`] : []),
    ...(stock !== null && stock > 0 ? [`${formatCount(stock)} stock BullMQ`] : []),
    ...(pushEndpoints > 0 ? [plural(pushEndpoints, "push endpoint")] : []),
  ].join(", ");
}

function Quantile({ label, value }: { label: string; value: { p50: number; p95: number } | null }) {
  if (value === null) return <Value label={label} value="–" unit="none in 5 min" />;
  return (
    <Value
      label={label}
      value={formatDuration(value.p50)}
      unit={`p95 ${formatDuration(value.p95)}`}
    />
  );
}

function Value({ label, value, unit }: { label: string; value: string; unit: string }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>
        <strong>{value}</strong>
        <small>{unit}</small>
      </dd>
    </div>
  );
}

function formatOr(value: number | null, format: (value: number) => string) {
  return value === null ? "–" : format(value);
}

function Queues({ overview: { queues } }: { overview: Overview }) {
  const can = useCan();
  return (
    <Card title="Queues" actions={can("queues:read") && <a href={to("/queues")}>All queues</a>}>
      {queues.length === 0 ? (
        <Empty title="The service has no job types." />
      ) : (
        <Table
          label="Queues"
          head={["Queue", "State", "Waiting", "Active", "Delayed", "Oldest", "Workers"]}
        >
          {queues.map((queue) => (
            <tr key={queue.name}>
              <td>
                <a href={to("/jobs", { queue: queue.name })}>{queue.name}</a>
              </td>
              <td>
                <Status value={queue.paused ? "paused" : "running"} />
              </td>
              <td class="number">{formatCount(queue.waiting)}</td>
              <td class="number">{formatCount(queue.active)}</td>
              <td class="number">{formatCount(queue.delayed)}</td>
              <td class="number">
                {queue.oldestWaitingMs > 0 ? formatDuration(queue.oldestWaitingMs) : "–"}
              </td>
              <td class="number">{formatCount(queue.workers + (queue.stockWorkers ?? 0))}</td>
            </tr>
          ))}
        </Table>
      )}
    </Card>
  );
}
