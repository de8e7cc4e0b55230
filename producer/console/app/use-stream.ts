import { useEffect, useRef } from "preact/hooks";

/** A page that is shown again within this time needs no new connection. */
const hiddenMs = 30_000;

/**
 * Follows a stream as long as the page is visible: a browser opens at most six connections to a host over HTTP/1.1, and
 * hidden tabs must not occupy them. When the page is shown again, it follows the stream from the beginning.
 * @param key another key begins another stream; undefined follows none
 */
export function useStream(
  key: string | undefined,
  follow: (signal: AbortSignal) => Promise<void>,
): void {
  const latest = useRef(follow);
  latest.current = follow;
  useEffect(() => {
    if (key === undefined) return undefined;
    let abort: AbortController | undefined;
    let hiding: ReturnType<typeof setTimeout> | undefined;

    function stop() {
      abort?.abort(new Error("the page is hidden, or was left"));
      abort = undefined;
    }
    function update() {
      clearTimeout(hiding);
      if (document.visibilityState === "hidden") {
        hiding = setTimeout(stop, hiddenMs);
      } else if (abort === undefined) {
        abort = new AbortController();
        void latest.current(abort.signal);
      }
    }
    document.addEventListener("visibilitychange", update);
    update();
    return () => {
      document.removeEventListener("visibilitychange", update);
      clearTimeout(hiding);
      stop();
    };
  }, [key]);
}
