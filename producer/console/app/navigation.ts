import type { Scope } from "./session.tsx";

interface NavigationItem {
  title: string;
  path: string;
  /** Without this scope the page can show nothing. */
  scope: Scope;
}

export const navigation: readonly { title: string; items: readonly NavigationItem[] }[] = [
  {
    title: "Work",
    items: [{ title: "Jobs", path: "/jobs", scope: "jobs:read" }],
  },
];
