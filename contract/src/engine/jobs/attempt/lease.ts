import { bullId } from "../../redis/names.ts";

/** What a worker needs to finish a job that it holds. */
export interface Lease {
  queue: string;
  /** Generation of the job. */
  generation: number;
  /** Value of the job's lock: another worker that takes the job sets another value, so a late worker is recognized. */
  token: string;
}

/** Encodes a lease as text for a worker, which treats it as opaque. */
export function encodeLease({ queue, generation, token }: Lease): string {
  return `${queue}/${generation}/${token}`;
}

const pattern = /^(.+)\/(0|[1-9][0-9]{0,8})\/([^/]+)$/;

/** Parses the result of `encodeLease`; undefined for other texts. */
export function parseLease(text: string): Lease | undefined {
  const [, queue, generation, token] = pattern.exec(text) ?? [];
  return queue === undefined || token === undefined
    ? undefined
    : { queue, generation: Number(generation), token };
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Returns the BullMQ id of a leased job; undefined if the id is malformed. */
export function toLeasedBullId(id: string, { generation }: Lease): string | undefined {
  return uuid.test(id) ? bullId(id, generation) : undefined;
}
