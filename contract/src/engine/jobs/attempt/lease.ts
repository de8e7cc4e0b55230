import { bullId } from "../../redis/names.ts";

/** What a worker needs to finish a job that it holds. */
export interface Lease {
  queue: string;
  /** Generation of the job. */
  generation: number;
  /** Value of the job's lock: another worker that takes the job sets another value, so a late worker is recognized. */
  token: string;
  /**
   * Revision of the job types with which an attempt with secrets started. A process that has not loaded it may not know
   * all secrets.
   */
  revision?: number | undefined;
}

/** Encodes a lease as text for a worker, which treats it as opaque. */
export function encodeLease({ queue, generation, token, revision }: Lease): string {
  return `${queue}/${generation}${revision ? `:${revision}` : ""}/${token}`;
}

const pattern = /^(.+)\/(0|[1-9][0-9]{0,8})(?::([1-9][0-9]{0,14}))?\/([^/]+)$/;

/** Parses the result of `encodeLease`; undefined for other texts. */
export function parseLease(text: string): Lease | undefined {
  const [, queue, generation, revision, token] = pattern.exec(text) ?? [];
  if (queue === undefined || token === undefined) return undefined;
  return {
    queue,
    generation: Number(generation),
    token,
    ...(revision !== undefined && { revision: Number(revision) }),
  };
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Returns the BullMQ id of a leased job; undefined if the id is malformed. */
export function toLeasedBullId(id: string, { generation }: Lease): string | undefined {
  return uuid.test(id) ? bullId(id, generation) : undefined;
}
