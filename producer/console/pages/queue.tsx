import { useState } from "preact/hooks";
import type { Queue } from "@toril/client";
import { client } from "../app/api.ts";
import type { PageProps } from "../app/page-props.ts";
import { to } from "../app/router.ts";
import { IfCan } from "../app/session.tsx";
import { useQuery } from "../app/use-query.ts";
import { Action } from "../ui/action.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Text } from "../ui/fields.tsx";
import { Card, Empty, Loaded, PageHead, Table } from "../ui/layout.tsx";
import { formatCount, plural } from "../ui/numbers.ts";
import { Status } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";
import { PauseQueue } from "./queues.tsx";

/** One queue: its workers, its limits, and the actions that change it. */
export function QueuePage({ id }: PageProps) {
  const queue = useQuery(`queue ${id}`, (signal) => client.getQueue(id, { signal }), {
    refreshMs: 2000,
  });
  return (
    <>
      <PageHead title={`Queue ${id}`} detail={<a href={to("/queues")}>Queues</a>}>
        <IfCan scope="queues:admin">
          {queue.data !== undefined && <QueueActions queue={queue.data} onChange={queue.reload} />}
        </IfCan>
      </PageHead>
      <Loaded query={queue}>
        {(found) => (
          <div class="columns">
            <Card title="Workers">
              <Workers queue={found} />
            </Card>
            <div class="column">
              <Card title="Jobs">
                <Counts queue={found} />
              </Card>
              <Card title="Limits">
                <Limits key={found.name} queue={found} onChange={queue.reload} />
              </Card>
            </div>
          </div>
        )}
      </Loaded>
    </>
  );
}

interface QueueProps {
  queue: Queue;
  onChange(): void;
}

function QueueActions({ queue, onChange }: QueueProps) {
  const [isDraining, setDraining] = useState(false);
  return (
    <>
      <Action
        run={async () => {
          let removed = 0;
          let cursor: string | undefined;
          do {
            const cleaning = { state: "failed", olderThanMs: 0 } as const;
            const page = await client.cleanQueue(queue.name, cleaning, cursor ? { cursor } : {});
            removed += page.removed;
            cursor = page.next ?? undefined;
          } while (cursor !== undefined);
          return `${plural(removed, "failed job")} removed from Redis. Postgres keeps them.`;
        }}
        onDone={onChange}
      >
        Clean failed jobs
      </Action>
      <button class="button danger" type="button" onClick={() => setDraining(true)}>
        Drain
      </button>
      <PauseQueue queue={queue} onChange={onChange} />
      {isDraining && (
        <Confirm
          title={`Drain the queue ${queue.name}`}
          action="Cancel all waiting jobs"
          run={() => drain(queue.name)}
          onClose={() => setDraining(false)}
          onDone={onChange}
        >
          Cancels your waiting jobs among the{" "}
          {plural(queue.counts.waiting + queue.counts.prioritized, "waiting job")} of this queue.
          Active and delayed jobs stay. This cannot be undone.
        </Confirm>
      )}
    </>
  );
}

async function drain(queue: string): Promise<string> {
  let cancelled = 0;
  let cursor: string | undefined;
  do {
    const page = await client.drainQueue(queue, cursor ? { cursor } : {});
    cancelled += page.cancelled;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return cancelled === 1 ? "1 job is cancelled." : `${formatCount(cancelled)} jobs are cancelled.`;
}

function Workers({ queue: { workers, stockWorkers } }: { queue: Queue }) {
  if (workers.length === 0 && stockWorkers !== null && stockWorkers > 0) {
    return <Stock count={stockWorkers} />;
  }
  if (workers.length === 0) {
    return (
      <Empty title="No consumer processes this queue.">
        <p class="muted">
          Start one whose <code>BULL_QUEUE_NAME</code> contains the queue.
        </p>
      </Empty>
    );
  }
  return (
    <Table
      label="Workers"
      head={["Kind", "Host", "Process", "Active", "Handlers at once", "Started"]}
    >
      {workers.map(({ id, kind = "consumer", host, pid, active, concurrency, startedAt }) => (
        <tr key={id}>
          <td>{kind}</td>
          <td class="mono">{host}</td>
          <td class="mono">{kind === "pull" ? "–" : pid}</td>
          <td class="number">{active}</td>
          <td class="number">{concurrency}</td>
          <td>
            <Time at={startedAt} />
          </td>
        </tr>
      ))}
      {stockWorkers !== null && stockWorkers > 0 && (
        <tr>
          <td colSpan={6}>
            <Stock count={stockWorkers} />
          </td>
        </tr>
      )}
    </Table>
  );
}

function Stock({ count }: { count: number }) {
  return <>{plural(count, "stock BullMQ worker")} connected</>;
}

function Counts({ queue: { name, paused, counts } }: { queue: Queue }) {
  const states = ["waiting", "prioritized", "active", "delayed"] as const;
  return (
    <dl class="facts">
      <dt>State</dt>
      <dd>
        <Status value={paused ? "paused" : "running"} />
      </dd>
      {states.map((state) => [
        <dt key={`${state} title`}>{state}</dt>,
        <dd key={state}>
          <a href={to("/jobs", { queue: name, state })}>{formatCount(counts[state])}</a>
        </dd>,
      ])}
      <dt>failed, kept in Redis</dt>
      <dd>{formatCount(counts.failed)}</dd>
    </dl>
  );
}

function Limits({ queue: { name, concurrency, rateLimit }, onChange }: QueueProps) {
  const [atOnce, setAtOnce] = useState(String(concurrency ?? ""));
  const [max, setMax] = useState(String(rateLimit?.max ?? ""));
  const [seconds, setSeconds] = useState(String((rateLimit?.durationMs ?? 1000) / 1000));
  return (
    <div class="form">
      <Text
        type="number"
        label="Active jobs at most"
        hint="Across all consumers; empty: no limit"
        value={atOnce}
        onChange={setAtOnce}
      />
      <div class="form-row">
        <Text
          type="number"
          label="Started jobs at most"
          hint="Empty: no limit"
          value={max}
          onChange={setMax}
        />
        <Text type="number" label="Within (seconds)" value={seconds} onChange={setSeconds} />
      </div>
      <IfCan scope="queues:admin">
        <Action
          run={async () => {
            await client.changeQueue(name, {
              concurrency: atOnce === "" ? null : Number(atOnce),
              rateLimit:
                max === ""
                  ? null
                  : { max: Number(max), durationMs: Math.round(Number(seconds) * 1000) },
            });
            return "The limits are changed.";
          }}
          onDone={onChange}
        >
          Change limits
        </Action>
      </IfCan>
    </div>
  );
}
