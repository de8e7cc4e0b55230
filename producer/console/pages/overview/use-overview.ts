import type { Overview } from "@toril/client";
import { useState } from "preact/hooks";
import { client } from "../../app/api.ts";
import { type Query, useQuery } from "../../app/use-query.ts";
import { useStream } from "../../app/use-stream.ts";
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
  useStream("overview", async (signal) => {
    let silence: ReturnType<typeof setTimeout> | undefined;
    signal.addEventListener("abort", () => {
      clearTimeout(silence);
      setIsLive(false);
    });
    // The client does not repeat a first connection that fails, nor one that is refused.
    while (!signal.aborted) {
      try {
        for await (const { event, data } of client.followOverview({ signal })) {
          setLive((last) => (event === "snapshot" ? data : addUpdate(last, data)));
          setIsLive(true);
          clearTimeout(silence);
          silence = setTimeout(() => setIsLive(false), silenceMs);
        }
      } catch {
        // Polling reports the error.
      }
      await new Promise((resolve) => setTimeout(resolve, silenceMs));
    }
  });
  if (live === undefined) return polled;
  const isNewer = polled.data === undefined || live.at > polled.data.at;
  return {
    ...polled,
    data: isNewer ? live : polled.data,
    error: isLive ? undefined : polled.error,
    isLoading: false,
  };
}
