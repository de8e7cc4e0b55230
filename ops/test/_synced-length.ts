/** What a server is started under, so that `syncedLength` can tell what it had written and synced when it ended. */
export function straceCommand(file: string): string[] {
  return ["strace", "-f", "-y", "-s", "0", "-e", "trace=write,fdatasync", "-o", file];
}

/**
 * How much of a file fdatasync had confirmed, by a trace of all writes to it since it was empty. A sync confirms what
 * was written before it began.
 * @param trace of strace -f: a line per call, or two when another thread called meanwhile
 */
export function syncedLength(trace: string, path: string): number {
  let written = 0;
  let synced = 0;
  const unfinished = new Map<string, { name: string; isOurs: boolean; written: number }>();
  for (const line of trace.split("\n")) {
    const [, pid = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const [, begun] = /^(write|fdatasync)\(/.exec(rest) ?? [];
    const before = begun === undefined ? unfinished.get(pid) : undefined;
    const call = before ?? { name: begun ?? "", isOurs: rest.includes(path), written };
    const [, result] = / = (\d+)$/.exec(rest) ?? [];
    if (result === undefined) {
      if (begun !== undefined) unfinished.set(pid, call);
      continue;
    }
    unfinished.delete(pid);
    if (!call.isOurs) continue;
    if (call.name === "write") written += Number(result);
    else synced = Math.max(synced, call.written);
  }
  return synced;
}
