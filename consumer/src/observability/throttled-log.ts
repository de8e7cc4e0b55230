/**
 * Logs the first of many similar errors and, once per period, the number of repetitions: a worker whose Redis is out of
 * memory emits tens of thousands of errors within seconds.
 */
export function createThrottledLog(
  write: (error: Error, repeated: number) => void,
  settings: { periodMs: number; now: () => number },
): (error: Error) => void {
  const seen = new Map<string, { since: number; repeated: number }>();
  return (error) => {
    const kind = error.message.replaceAll(/[0-9a-f-]{8,}|\d+/g, "#");
    const now = settings.now();
    const last = seen.get(kind);
    if (last !== undefined && now - last.since < settings.periodMs) {
      last.repeated += 1;
      return;
    }
    if (seen.size >= maxKinds) seen.clear();
    seen.set(kind, { since: now, repeated: 0 });
    write(error, last?.repeated ?? 0);
  };
}

const maxKinds = 100;
