/** The BullMQ name of a queue: always in a hash tag, so that its keys share one slot of a Redis Cluster. */
export function bullName(queue: string): string {
  return `{${queue}}`;
}

/** The queue behind a BullMQ name. Throws when the name is not in a hash tag. */
export function queueOf(name: string): string {
  if (!name.startsWith("{") || !name.endsWith("}")) throw new Error(`not a queue name: ${name}`);
  return name.slice(1, -1);
}

export interface QueueKeys {
  /** What every key of the queue begins with. */
  base: string;
  wait: string;
  active: string;
  delayed: string;
  prioritized: string;
  paused: string;
  completed: string;
  failed: string;
  stalled: string;
  meta: string;
  id: string;
  pc: string;
  events: string;
  marker: string;
  limiter: string;
}

export function queueKeys(prefix: string, queue: string): QueueKeys {
  const base = `${prefix}:${bullName(queue)}:`;
  return {
    base,
    wait: `${base}wait`,
    active: `${base}active`,
    delayed: `${base}delayed`,
    prioritized: `${base}prioritized`,
    paused: `${base}paused`,
    completed: `${base}completed`,
    failed: `${base}failed`,
    stalled: `${base}stalled`,
    meta: `${base}meta`,
    id: `${base}id`,
    pc: `${base}pc`,
    events: `${base}events`,
    marker: `${base}marker`,
    limiter: `${base}limiter`,
  };
}

/** The hash of one job. */
export function jobKey(prefix: string, queue: string, id: string): string {
  return `${prefix}:${bullName(queue)}:${id}`;
}

/** The field of a job's hash that holds what its runs failed with; BullMQ leaves it alone. */
export const failuresField = "toril:failures";

/**
 * What Toril's workers return to BullMQ: Postgres has the outcome and the result already. By this value the events of a
 * queue tell their jobs from those of stock workers.
 */
export const settledReturnValue = "toril:settled";

/** Held by the worker that runs the job. */
export function lockKey(prefix: string, queue: string, id: string): string {
  return `${jobKey(prefix, queue, id)}:lock`;
}

/** While it stands, the Redis that holds the queue was not flushed. In the slot of the queue, but none of its keys. */
export function epochKey(prefix: string, queue: string): string {
  return `${prefix}:toril:epoch:${bullName(queue)}`;
}

/** Written to see whether the Redis that holds the queue takes writes. */
export function probeKey(prefix: string, queue: string): string {
  return `${prefix}:toril:probe:${bullName(queue)}`;
}

/** How many jobs had come and how many were there, every few seconds. In the slot of the queue, as those below. */
export function samplesKey(prefix: string, queue: string): string {
  return `${prefix}:toril:samples:${bullName(queue)}`;
}

/** Which workers serve the queue. */
export function workersKey(prefix: string, queue: string): string {
  return `${prefix}:toril:workers:${bullName(queue)}`;
}

/** When the next job with this key of a type may start. */
export function slotKey(prefix: string, queue: string, type: string, hash: string): string {
  return `${prefix}:toril:slot:${bullName(queue)}:${type}:${hash}`;
}

/** Where those who end a job from outside tell whoever runs it. */
export function abortChannel(prefix: string): string {
  return `${prefix}:toril:abort`;
}

/** The BullMQ id of a job's run. A retried job gets a new one, because the ended run's hash may still stand. */
export function bullId(id: string, run: number): string {
  return run === 0 ? id : `${id}-${run}`;
}

const bullIdPattern = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-([1-9][0-9]{0,8}))?$/;

/** Whether `bullId` made it. */
export function isBullId(text: string): boolean {
  return bullIdPattern.test(text);
}

/** The inverse of `bullId`; undefined for ids that Toril did not make. */
export function parseBullId(text: string): { id: string; run: number } | undefined {
  const [, id, run] = bullIdPattern.exec(text) ?? [];
  return id === undefined ? undefined : { id, run: Number(run ?? 0) };
}
