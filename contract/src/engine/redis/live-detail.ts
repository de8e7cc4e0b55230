import { JobLogLine, AttemptError } from "../../api/jobs/job.ts";
import { limits } from "../../api/limits.ts";
import { parseJsonOrNull } from "../../api/json/json.ts";
import { failuresField, jobKey, queueKeys } from "./names.ts";

/** Live details of one pending job, beside its state. */
export interface LiveDetail {
  failures: AttemptError[];
  log: JobLogLine[];
  /** Queue position; 1 is next. Null if unknown, for example in a very long queue. */
  position: number | null;
}

/** The subset of an ioredis client (single or Cluster) that reading details uses. */
export interface DetailRedis {
  pipeline(): DetailPipeline;
}

interface DetailPipeline {
  hget(key: string, field: string): unknown;
  lrange(key: string, start: number, stop: number): unknown;
  llen(key: string): unknown;
  zrank(key: string, member: string): unknown;
  call(command: string, ...args: string[]): unknown;
  exec(): Promise<[error: Error | null, reply: unknown][] | null>;
}

/** How far into a list a job is searched, from the end where workers take. */
const maxPosition = 10_000;

/** Reads the details in one round trip, scanning at most `maxPosition` entries. Rejects with Redis errors. */
export async function readLiveDetail(
  redis: DetailRedis,
  prefix: string,
  { queue, bullId }: { queue: string; bullId: string },
): Promise<LiveDetail> {
  const keys = queueKeys(prefix, queue);
  const key = jobKey(prefix, queue, bullId);
  const pipeline = redis.pipeline();
  pipeline.hget(key, failuresField);
  pipeline.lrange(`${key}:logs`, -limits.logLines, -1);
  pipeline.llen(keys.wait);
  pipeline.call("LPOS", keys.wait, bullId, "RANK", "-1", "MAXLEN", String(maxPosition));
  pipeline.zrank(keys.prioritized, bullId);
  const replies = (await pipeline.exec()) ?? [];
  const [failures, lines, length, index, rank] = replies.map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
  return {
    failures: parseList(failures).flatMap((entry) => AttemptError.safeParse(entry).data ?? []),
    log: (lines as string[]).flatMap(
      (line) => JobLogLine.safeParse(parseJsonOrNull(line)).data ?? [],
    ),
    position: getPosition(Number(length), index, rank),
  };
}

/** Workers take from the tail of the list, and prioritized jobs once the list is empty. */
function getPosition(length: number, index: unknown, rank: unknown): number | null {
  if (typeof index === "number") return length - index;
  return typeof rank === "number" ? length + rank + 1 : null;
}

function parseList(text: unknown): unknown[] {
  const value = typeof text === "string" ? parseJsonOrNull(text) : undefined;
  return Array.isArray(value) ? value : [];
}
