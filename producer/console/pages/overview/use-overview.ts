import type { Overview } from "@toril/client";
import { useEffect, useState } from "preact/hooks";
import { client } from "../../app/api.ts";
import { type Query, useQuery } from "../../app/use-query.ts";
import { addUpdate } from "./add-update.ts";

const refreshMs = 2000;
/** After this time without an event the page polls: the stream was cut, or a proxy holds the events back. */
const silenceMs = 6000;

/** The overview, live. */
export function useOverview(): Query<Overview> {
  const [live, setLive] = useState<Overview>();
  const [isLive, setIsLive] = useState(false);
  const polled = useQuery("overview", (signal) => client.getOverview({ signal }), {
    refreshMs: isLive ? undefined : refreshMs,
  });
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    let silence: ReturnType<typeof setTimeout> | undefined;
    let reconnection: ReturnType<typeof setTimeout> | undefined;
    async function follow() {
      for await (const { event, data } of client.followOverview({ signal })) {
        setLive((last) => (event === "snapshot" ? data : addUpdate(last, data)));
        setIsLive(true);
        clearTimeout(silence);
        silence = setTimeout(() => setIsLive(false), silenceMs);
      }
    }
    // The client does not repeat a first connection that fails, nor one that is refused. Polling reports the error.
    function start() {
      void follow().catch(() => {
        if (!signal.aborted) reconnection = setTimeout(start, silenceMs);
      });
    }
    start();
    return () => {
      clearTimeout(silence);
      clearTimeout(reconnection);
      abort.abort(new Error("the page was left"));
    };
  }, []);
  if (live === undefined) return polled;
  const isNewer = polled.data === undefined || live.at > polled.data.at;
  return {
    ...polled,
    data: isNewer ? live : polled.data,
    error: isLive ? undefined : polled.error,
    isLoading: false,
  };
}
