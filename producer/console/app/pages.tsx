import type { ComponentType } from "preact";
import { EnqueuePage } from "../pages/enqueue.tsx";
import { JobPage } from "../pages/job.tsx";
import { JobsPage } from "../pages/jobs.tsx";
import { Empty, PageHead } from "../ui/layout.tsx";
import type { PageProps } from "./page-props.ts";
import { to, usePlace } from "./router.ts";

/** The first pattern that matches counts. */
const pages: readonly [pattern: RegExp, page: ComponentType<PageProps>][] = [
  [/^$/, JobsPage],
  [/^\/jobs$/, JobsPage],
  [/^\/jobs\/new$/, EnqueuePage],
  [/^\/jobs\/([^/]+)$/, JobPage],
];

export function Page() {
  const { path } = usePlace();
  for (const [pattern, Found] of pages) {
    const match = pattern.exec(path);
    if (match !== null) return <Found key={path} id={match[1] ?? ""} />;
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
