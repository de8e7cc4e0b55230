import type { Scope } from "./session.tsx";

interface NavigationItem {
  title: string;
  path: string;
  /** Without one of these scopes the page can show nothing. */
  scopes: readonly Scope[];
}

export const navigation: readonly { title: string; items: readonly NavigationItem[] }[] = [
  {
    title: "Service",
    items: [
      { title: "Overview", path: "/", scopes: ["metrics:read", "jobs:read"] },
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
      { title: "Feeds", path: "/feeds", scopes: ["jobs:read"] },
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
