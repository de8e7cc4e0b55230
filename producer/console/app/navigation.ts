import { type Scope, useCan, useSession } from "./session.tsx";

interface NavigationItem {
  title: string;
  path: string;
  /** Without one of these scopes the page can show nothing. */
  scopes: readonly Scope[];
  /** The job type that the page is about. */
  type?: string;
}

const navigation: readonly { title: string; items: readonly NavigationItem[] }[] = [
  {
    title: "Service",
    items: [
      { title: "Overview", path: "/", scopes: ["metrics:read"] },
      { title: "Queues", path: "/queues", scopes: ["queues:read"] },
    ],
  },
  {
    title: "Work",
    items: [
      { title: "Jobs", path: "/jobs", scopes: ["jobs:read"] },
      { title: "Dead letters", path: "/dead-letters", scopes: ["jobs:read"] },
      { title: "Operations", path: "/operations", scopes: ["jobs:read"] },
      { title: "Schedules", path: "/schedules", scopes: ["jobs:read"] },
      { title: "Feeds", path: "/feeds", scopes: ["jobs:read"], type: "feed.fetch" },
      { title: "Imports", path: "/imports", scopes: ["jobs:enqueue", "jobs:read"] },
      { title: "Webhooks", path: "/webhooks", scopes: ["webhooks:read"] },
      { title: "Job types", path: "/job-types", scopes: ["types:read"] },
    ],
  },
  {
    title: "Access",
    items: [
      { title: "API keys", path: "/keys", scopes: ["keys:read"] },
      { title: "Audit log", path: "/audit", scopes: ["audit:read"] },
    ],
  },
];

/** The pages that can show something to the caller. */
export function useNavigation(): typeof navigation {
  const can = useCan();
  const { types } = useSession().principal;
  const isShown = ({ scopes, type }: NavigationItem) =>
    scopes.some(can) && (type === undefined || types === null || types.includes(type));
  return navigation
    .map((group) => ({ ...group, items: group.items.filter(isShown) }))
    .filter(({ items }) => items.length > 0);
}
