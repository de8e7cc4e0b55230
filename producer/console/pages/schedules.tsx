import { useState } from "preact/hooks";
import type { Schedule } from "@toril/client";
import { client } from "../app/api.ts";
import { to } from "../app/router.ts";
import { useCan } from "../app/session.tsx";
import { Action } from "../ui/action.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Empty, Loaded, PageHead, Table } from "../ui/layout.tsx";
import { Pager, usePages } from "../ui/pager.tsx";
import { Status } from "../ui/status.tsx";
import { formatInterval } from "../ui/durations.ts";
import { Time } from "../ui/time.tsx";
import { ScheduleDialog } from "./schedule-dialog.tsx";
import { ScheduleTimeline } from "./schedule-timeline.tsx";

/** The schedules of the tenant. */
export function SchedulesPage() {
  const can = useCan();
  const [edited, setEdited] = useState<Schedule | "new">();
  const [deleted, setDeleted] = useState<string>();
  const schedules = usePages(
    "schedules",
    (cursor, signal) => client.listSchedules({ cursor }, { signal }),
    5000,
  );
  return (
    <>
      <PageHead title="Schedules">
        {can("schedules:write") && (
          <button class="button primary" type="button" onClick={() => setEdited("new")}>
            Create a schedule
          </button>
        )}
      </PageHead>
      <Loaded query={schedules}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No schedules: a schedule enqueues a job by cron expression or interval." />
          ) : (
            <div class="stack">
              <ScheduleTimeline schedules={items} />
              <Table
                label="Schedules"
                head={["Schedule", "State", "When", "Job", "Next run", "Last run", ""]}
              >
                {items.map((schedule) => (
                  <ScheduleRow
                    key={schedule.name}
                    schedule={schedule}
                    onChange={schedules.reload}
                    onEdit={() => setEdited(schedule)}
                    onDelete={() => setDeleted(schedule.name)}
                  />
                ))}
              </Table>
            </div>
          )
        }
      </Loaded>
      <Pager query={schedules} />
      {deleted !== undefined && (
        <Confirm
          title={`Delete the schedule ${deleted}`}
          action="Delete"
          run={async () => {
            await client.deleteSchedule(deleted);
            return `The schedule ${deleted} is deleted.`;
          }}
          onClose={() => setDeleted(undefined)}
          onDone={schedules.reload}
        >
          Its jobs stay. This cannot be undone.
        </Confirm>
      )}
      {edited !== undefined && (
        <ScheduleDialog
          schedule={edited === "new" ? undefined : edited}
          onClose={() => setEdited(undefined)}
          onDone={() => {
            setEdited(undefined);
            schedules.reload();
          }}
        />
      )}
    </>
  );
}

interface ScheduleRowProps {
  schedule: Schedule;
  onChange(): void;
  onEdit(): void;
  onDelete(): void;
}

function ScheduleRow({ schedule, onChange, onEdit, onDelete }: ScheduleRowProps) {
  const can = useCan();
  const { name, paused, cron, everyMs, timeZone, job, nextAt, lastRun, description } = schedule;
  return (
    <tr>
      <td title={description ?? undefined}>
        <a href={to("/jobs", { schedule: name })}>{name}</a>
      </td>
      <td>
        <Status value={paused ? "paused" : nextAt === null ? "ended" : "running"} />
      </td>
      <td>
        {cron === null ? (
          `every ${formatInterval(everyMs ?? 0)}`
        ) : (
          <>
            <code>{cron}</code> <span class="muted">{timeZone}</span>
          </>
        )}
      </td>
      <td class="mono">{job.type}</td>
      <td>
        <Time at={nextAt} />
      </td>
      <td>
        {lastRun === null ? (
          <span class="muted">–</span>
        ) : (
          <>
            <Status value={lastRun.outcome} /> <Time at={lastRun.at} />
          </>
        )}
      </td>
      <td class="actions">
        {can("schedules:write") && (
          <>
            <Action
              kind="small"
              label={`Run now: ${name}`}
              run={async () => {
                const { id } = await client.runSchedule(name);
                return `The job ${id} is enqueued.`;
              }}
              onDone={onChange}
            >
              Run now
            </Action>
            <Action
              kind="small"
              label={`${paused ? "Resume" : "Pause"} ${name}`}
              run={async () => {
                await (paused ? client.resumeSchedule(name) : client.pauseSchedule(name));
                return paused ? "The schedule is resumed." : "The schedule is paused.";
              }}
              onDone={onChange}
            >
              {paused ? "Resume" : "Pause"}
            </Action>
            <button class="button small" type="button" aria-label={`Edit ${name}`} onClick={onEdit}>
              Edit
            </button>
            <button
              class="button small danger"
              type="button"
              aria-label={`Delete ${name}`}
              onClick={onDelete}
            >
              Delete
            </button>
          </>
        )}
      </td>
    </tr>
  );
}
