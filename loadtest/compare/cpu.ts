import { readdirSync, readFileSync } from "node:fs";

// The unit of /proc on Linux.
const microsecondsPerTick = 10_000;

/** CPU time in µs by name, including the children of its processes, also those that ended. */
export function readCpuTimes<Name extends string>(
  pids: Readonly<Record<Name, number | readonly number[]>>,
): Record<Name, number> {
  const stats = readStats();
  const childrenOf = Map.groupBy(stats.values(), (stat) => stat.parent);

  function ticksOf(pid: number): number {
    const stat = stats.get(pid);
    if (stat === undefined) throw new Error(`process ${pid} has ended`);
    const children = childrenOf.get(pid) ?? [];
    return children.reduce((sum, child) => sum + ticksOf(child.pid), stat.ticks);
  }

  const names = Object.keys(pids) as Name[];
  const entries = names.map((name) => {
    const ticks = [pids[name]].flat().reduce((sum, pid) => sum + ticksOf(pid), 0);
    return [name, ticks * microsecondsPerTick] as const;
  });
  return Object.fromEntries(entries) as Record<Name, number>;
}

/** CPU time in µs of the whole machine. */
export function readMachineTime(): number {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * microsecondsPerTick;
}

interface Stat {
  pid: number;
  parent: number;
  ticks: number;
}

function readStats(): Map<number, Stat> {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const text = readStat(name);
    // The process name may contain spaces and parentheses; the fields start after the last parenthesis.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    stats.set(Number(name), { pid: Number(name), parent: Number(fields[1]), ticks });
  }
  return stats;
}

/** Processes end while /proc is read. */
function readStat(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return "";
  }
}
