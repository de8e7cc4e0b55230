import type { ComponentChildren, ComponentType } from "preact";
import { useErrorBoundary } from "preact/hooks";
import { AuditLogPage } from "../pages/audit-log.tsx";
import { DeadLettersPage } from "../pages/dead-letters.tsx";
import { EnqueuePage } from "../pages/jobs/enqueue.tsx";
import { FeedsPage } from "../pages/feeds.tsx";
import { ImportPage } from "../pages/imports/import.tsx";
import { ImportsPage } from "../pages/imports/imports.tsx";
import { JobPage } from "../pages/jobs/job.tsx";
import { JobsPage } from "../pages/jobs/jobs.tsx";
import { JobTypesPage } from "../pages/job-types.tsx";
import { KeysPage } from "../pages/keys.tsx";
import { OperationsPage } from "../pages/operations.tsx";
import { OverviewPage } from "../pages/overview/overview.tsx";
import { QueuePage } from "../pages/queue.tsx";
import { QueuesPage } from "../pages/queues.tsx";
import { RunbookPage } from "../pages/runbook.tsx";
import { WebhookPage } from "../pages/webhooks/webhook.tsx";
import { WebhooksPage } from "../pages/webhooks/webhooks.tsx";
import { SchedulesPage } from "../pages/schedules.tsx";
import { Empty, PageHead } from "../ui/layout.tsx";
import { describeError } from "./api.ts";
import type { PageProps } from "./page-props.ts";
import { to, usePlace } from "./router.ts";

/** The first pattern that matches counts. */
const pages: readonly [pattern: RegExp, page: ComponentType<PageProps>][] = [
  [/^$/, OverviewPage],
  [/^\/jobs$/, JobsPage],
  [/^\/jobs\/new$/, EnqueuePage],
  [/^\/jobs\/([^/]+)$/, JobPage],
  [/^\/dead-letters$/, DeadLettersPage],
  [/^\/operations$/, OperationsPage],
  [/^\/queues$/, QueuesPage],
  [/^\/queues\/([^/]+)$/, QueuePage],
  [/^\/schedules$/, SchedulesPage],
  [/^\/imports$/, ImportsPage],
  [/^\/imports\/([^/]+)$/, ImportPage],
  [/^\/feeds$/, FeedsPage],
  [/^\/job-types$/, JobTypesPage],
  [/^\/webhooks$/, WebhooksPage],
  [/^\/webhooks\/([^/]+)$/, WebhookPage],
  [/^\/keys$/, KeysPage],
  [/^\/audit$/, AuditLogPage],
  [/^\/runbook$/, RunbookPage],
];

export function Page() {
  const { path } = usePlace();
  for (const [pattern, Found] of pages) {
    const match = pattern.exec(path);
    if (match !== null) {
      return (
        <Guarded key={path}>
          <Found id={match[1] ?? ""} />
        </Guarded>
      );
    }
  }
  return (
    <>
      <PageHead title="Page not found" />
      <Empty title="The console has no such page.">
        <a class="button" href={to("/")}>
          Go to the overview
        </a>
      </Empty>
    </>
  );
}

/** Keeps the rest of the console usable if a page throws while it is rendered. */
function Guarded({ children }: { children: ComponentChildren }) {
  const [error, reset] = useErrorBoundary();
  if (error === undefined) return <>{children}</>;
  return (
    <>
      <PageHead title="The page failed" />
      <Empty title={`The console cannot show this page: ${describeError(error)}`}>
        <button class="button" type="button" onClick={reset}>
          Try again
        </button>
      </Empty>
    </>
  );
}
