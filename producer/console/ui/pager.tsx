import { useEffect, useState } from "preact/hooks";
import { type Query, useQuery } from "../app/use-query.ts";

interface PageOf<Item> {
  items: Item[];
  next: string | null;
}

export interface PagedQuery<Item> extends Query<PageOf<Item>> {
  /** Whether the first page is shown, which is the one that is refreshed. */
  isFirst: boolean;
  older(): void;
  newest(): void;
}

/** Loads a list page by page. */
export function usePages<Item>(
  key: string,
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<PageOf<Item>>,
  refreshMs?: number,
): PagedQuery<Item> {
  const [cursor, setCursor] = useState<string>();
  useEffect(() => setCursor(undefined), [key]);
  const isFirst = cursor === undefined;
  const query = useQuery(`${key} ${cursor ?? ""}`, (signal) => load(cursor, signal), {
    refreshMs: isFirst ? refreshMs : undefined,
  });
  return {
    ...query,
    isFirst,
    older: () => setCursor(query.data?.next ?? undefined),
    newest: () => setCursor(undefined),
  };
}

export function Pager<Item>({ query }: { query: PagedQuery<Item> }) {
  const hasOlder = (query.data?.next ?? null) !== null;
  if (query.isFirst && !hasOlder) return null;
  return (
    <nav class="pager" aria-label="Pages">
      <button class="button small" type="button" disabled={query.isFirst} onClick={query.newest}>
        First page
      </button>
      <button class="button small" type="button" disabled={!hasOlder} onClick={query.older}>
        Next page
      </button>
    </nav>
  );
}
