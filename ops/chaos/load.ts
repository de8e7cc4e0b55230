import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import type { History } from "./history.ts";
import type { Backlog } from "./backlog.ts";
import { type Answer, type Send, sendUntilDefinite, type SendOptions } from "./send.ts";
import type { Random } from "./random.ts";

export interface LoadSettings {
  send: Send;
  history: History;
  backlog: Backlog;
  random: Random;
  /** Jobs in a bulk request, and rows in an import. */
  bulkSize: number;
  importRows: number;
  clientPauseMs: number;
  /** Ends the load. */
  signal: AbortSignal;
  /** Stops repeating requests whose outcome is unknown. */
  abandon: AbortSignal;
}

export interface LoadContext extends LoadSettings {
  /** Returns a number that is unique in this run. */
  nextNumber(): number;
  /** Repeats until the outcome is known. */
  sendUntilDefinite(path: string, options: SendOptions): Promise<Answer | undefined>;
  /** Returns the id of an accepted job; undefined if its outcome is unknown. */
  getAcceptedId(kind: string, answer: Answer | undefined): string | undefined;
}

/** A client that repeats one action. */
export interface Caller {
  kind: string;
  count: number;
  pauseMs: number;
  act(context: LoadContext): Promise<void>;
}

/**
 * The importId of rows that arrive as single jobs and in bulk, each with a number that no other has; their handler
 * writes a row for each.
 */
export const keyedRowsImportId = randomUUID();
/** The same, without an Idempotency-Key: such a request may be carried out twice. */
export const unkeyedRowsImportId = randomUUID();

/** Runs all callers until `signal` is aborted; resolves when the last request is answered or abandoned. */
export async function runLoad(settings: LoadSettings, callers: readonly Caller[]): Promise<void> {
  let number = 0;
  const context: LoadContext = {
    ...settings,
    nextNumber: () => (number += 1),
    sendUntilDefinite: (path, options) =>
      sendUntilDefinite(settings.send, path, options, settings.abandon),
    getAcceptedId(kind, answer) {
      if (answer === undefined) return undefined;
      const { id } = (answer.body ?? {}) as { id?: string };
      if (answer.status >= 300 || id === undefined) {
        settings.history.addViolation(`${kind}: an unexpected answer`, answer);
        return undefined;
      }
      return id;
    },
  };

  async function repeat({ kind, pauseMs, act }: Caller) {
    while (!settings.signal.aborted) {
      try {
        await act(context);
      } catch (error) {
        if (settings.signal.aborted) return;
        settings.history.addViolation(`${kind}: the client threw`, String(error));
      }
      await sleep(Math.max(pauseMs, settings.clientPauseMs), undefined, {
        signal: settings.signal,
      }).catch(() => {});
    }
  }

  await Promise.all(
    callers.flatMap((caller) => Array.from({ length: caller.count }, () => repeat(caller))),
  );
}
