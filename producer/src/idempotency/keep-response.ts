import type { ISql } from "postgres";

/** A response as stored for replays. */
export interface KeptResponse {
  status: number;
  /** Header values by name. */
  headers?: Record<string, string>;
  /** The JSON body. */
  answer: unknown;
}

/**
 * Stores a response in the transaction that does the request's work, so that a replay finds both or neither. The
 * response that is sent replaces it.
 */
export type KeepResponse = (tx: ISql, response: KeptResponse) => Promise<void>;
