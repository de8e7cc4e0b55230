import type { Queue } from "@toril/client";
import { client } from "../app/api.ts";
import { to } from "../app/router.ts";
import { IfCan, useRestricted } from "../app/session.tsx";
import { useQuery } from "../app/use-query.ts";
import { Action } from "../ui/action.tsx";
import { Loaded, PageHead, Table } from "../ui/layout.tsx";
import { formatCount, formatRate } from "../ui/numbers.ts";
import { Status } from "../ui/status.tsx";
import { formatDuration } from "../ui/durations.ts";

/** All queues; queues are shared by all tenants. */
export function QueuesPage() {
  const queues = useQuery("queues", (signal) => client.listQueues({ signal }), { refreshMs: 2000 });
  const isRestricted = useRestricted();
  const head = [
    "Queue",
    "State",
    "Waiting",
    "Active",
    "Delayed",
    "In /s",
    "Out /s",
    "Oldest",
    "Workers",
    "",
  ];
  return (
    <>
      <PageHead title="Queues" detail="Shared by all tenants">
        {!isRestricted && (
          <IfCan scope="queues:admin">
            <a class="button" href="/admin/queues">
              Bull Board
            </a>
          </IfCan>
        )}
      </PageHead>
      <Loaded query={queues}>
        {({ items }) => (
          <Table label="Queues" head={head}>
            {items.map((queue) => (
              <QueueRow key={queue.name} queue={queue} onChange={queues.reload} />
            ))}
          </Table>
        )}
      </Loaded>
    </>
  );
}

function QueueRow({ queue, onChange }: QueueProps) {
  const { name, paused, counts, rates, oldestWaitingMs, workers, stockWorkers } = queue;
  return (
    <tr>
      <td>
        <a href={to(`/queues/${name}`)}>{name}</a>
      </td>
      <td>
        <Status value={paused ? "paused" : "running"} />
      </td>
      <td class="number">{formatCount(counts.waiting + counts.prioritized)}</td>
      <td class="number">{formatCount(counts.active)}</td>
      <td class="number">{formatCount(counts.delayed)}</td>
      <td class="number">{rates === null ? "–" : formatRate(rates.in)}</td>
      <td class="number">{rates === null ? "–" : formatRate(rates.out)}</td>
      <td class="number">{oldestWaitingMs > 0 ? formatDuration(oldestWaitingMs) : "–"}</td>
      <td class="number">{workers.length + (stockWorkers ?? 0)}</td>
      <td class="actions">
        <IfCan scope="queues:admin">
          <PauseQueue queue={queue} isSmall onChange={onChange} />
        </IfCan>
      </td>
    </tr>
  );
}

export interface QueueProps {
  queue: Queue;
  onChange(): void;
}

interface PauseProps extends QueueProps {
  isSmall?: boolean;
}

export function PauseQueue({ queue: { name, paused }, isSmall, onChange }: PauseProps) {
  return (
    <Action
      kind={isSmall ? "small" : undefined}
      label={`${paused ? "Resume" : "Pause"} ${name}`}
      run={async () => {
        await (paused ? client.resumeQueue(name) : client.pauseQueue(name));
        return paused
          ? `The queue ${name} is resumed.`
          : `The queue ${name} is paused; active jobs finish.`;
      }}
      onDone={onChange}
    >
      {paused ? "Resume" : "Pause"}
    </Action>
  );
}
