import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Query<Data> {
  data: Data | undefined;
  error: unknown;
  isLoading: boolean;
  reload(): void;
}

/**
 * Loads data, again whenever `key` changes, and every `refreshMs` while the page is visible. The last data stays until
 * the next has arrived, also if a reload fails.
 */
export function useQuery<Data>(
  key: string,
  load: (signal: AbortSignal) => Promise<Data>,
  { refreshMs }: { refreshMs?: number | undefined } = {},
): Query<Data> {
  const [state, setState] = useState<{ key: string; data?: Data; error?: unknown; turn: number }>({
    key,
    turn: 0,
  });
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  const progress = useRef({ isLoading: false, isStale: false });

  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    progress.current = { isLoading: true, isStale: false };
    function settle(update: Parameters<typeof setState>[0]) {
      if (signal.aborted) return;
      setState(update);
      if (progress.current.isStale) setTurn((last) => last + 1);
      progress.current = { isLoading: false, isStale: false };
    }
    latest.current(signal).then(
      (data) => settle({ key, data, turn }),
      (error: unknown) =>
        settle((last) => (last.key === key ? { ...last, error, turn } : { key, error, turn })),
    );
    return () => abort.abort();
  }, [key, turn]);

  // A load is not cut off by the next one: with many events per second, none would ever end.
  const reload = useCallback(() => {
    if (progress.current.isLoading) progress.current.isStale = true;
    else setTurn((last) => last + 1);
  }, []);
  const isSettled = state.key === key && state.turn === turn;
  useEffect(() => {
    if (refreshMs === undefined || !isSettled) return undefined;
    const refresh = () => {
      if (document.visibilityState === "visible") reload();
    };
    const timer = setInterval(refresh, refreshMs);
    document.addEventListener("visibilitychange", refresh);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", refresh);
    };
  }, [refreshMs, isSettled]);

  const isCurrent = state.key === key;
  return {
    data: isCurrent ? state.data : undefined,
    error: isCurrent ? state.error : undefined,
    isLoading: !isCurrent || (state.data === undefined && state.error === undefined),
    reload,
  };
}
