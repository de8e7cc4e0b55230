/** Returns the BullMQ name of a queue: a hash tag, so that all keys of the queue share one slot of a Redis Cluster. */
export function bullName(queue: string): string {
  return `{${queue}}`;
}

/** Returns the queue of a BullMQ name; throws if the name is not a hash tag. */
export function parseBullName(name: string): string {
  if (!name.startsWith("{") || !name.endsWith("}")) throw new Error(`not a queue name: ${name}`);
  return name.slice(1, -1);
}

export interface QueueKeys {
  /** Prefix of all keys of the queue. */
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

/** Returns the Redis keys of a queue, as BullMQ names them. */
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

/** Returns the key of a job's hash. */
export function jobKey(prefix: string, queue: string, id: string): string {
  return `${prefix}:${bullName(queue)}:${id}`;
}

/** Hash field with the errors of a job's attempts; BullMQ ignores the field. */
export const failuresField = "toril:failures";

/**
 * Return value of jobs run by Toril's workers; their outcome and result are already in Postgres. Event readers
 * distinguish Toril's jobs from those of stock workers by this value.
 */
export const settledReturnValue = "toril:settled";

/** Returns the key of a job's lock, held by the worker that runs the job. */
export function lockKey(prefix: string, queue: string, id: string): string {
  return `${jobKey(prefix, queue, id)}:lock`;
}

/**
 * Returns the key that exists as long as the queue's Redis was not flushed. It shares the slot of the queue but not the
 * queue's prefix.
 */
export function epochKey(prefix: string, queue: string): string {
  return `${prefix}:toril:epoch:${bullName(queue)}`;
}

/** Returns the key that is written to check whether the queue's Redis accepts writes. */
export function probeKey(prefix: string, queue: string): string {
  return `${prefix}:toril:probe:${bullName(queue)}`;
}

/** Returns the key of size samples, taken every few seconds. In the slot of the queue, like the keys below. */
export function samplesKey(prefix: string, queue: string): string {
  return `${prefix}:toril:samples:${bullName(queue)}`;
}

/**
 * Returns the key of the activity log, without the number of a slot. The hash tag keeps all slots on one node of a Redis
 * Cluster.
 */
export function activityKey(prefix: string): string {
  return `${prefix}:toril:{activity}:`;
}

/** Returns the key of the workers that serve the queue. */
export function workersKey(prefix: string, queue: string): string {
  return `${prefix}:toril:workers:${bullName(queue)}`;
}

/**
 * Returns the key of a rate limit's state (GCRA) for jobs of one type: until when its slots are taken. `hash` is of the
 * rate-limited value.
 */
export function rateLimitKey(prefix: string, queue: string, type: string, hash: string): string {
  return `${prefix}:toril:slot:${bullName(queue)}:${type}:${hash}`;
}

/** Returns the channel on which consumers are asked to abort jobs. */
export function abortChannel(prefix: string): string {
  return `${prefix}:toril:abort`;
}

/**
 * Returns the BullMQ id of a job's generation. A retried job gets a new id, because the hash of the previous generation
 * may still exist.
 */
export function bullId(id: string, generation: number): string {
  return generation === 0 ? id : `${id}-${generation}`;
}

const bullIdPattern = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-([1-9][0-9]{0,8}))?$/;

/** Whether a text has the format of `bullId`. */
export function isBullId(text: string): boolean {
  return bullIdPattern.test(text);
}

/** Parses the result of `bullId`; undefined for other ids. */
export function parseBullId(text: string): { id: string; generation: number } | undefined {
  // Most jobs are of generation 0, whose id is the job's. A test allocates nothing.
  if (text.length === 36 && bullIdPattern.test(text)) return { id: text, generation: 0 };
  const [, id, generation] = bullIdPattern.exec(text) ?? [];
  return id === undefined ? undefined : { id, generation: Number(generation ?? 0) };
}
