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
  /** Ends the load. */
  signal: AbortSignal;
  /** Ends the repeating of requests whose outcome is unknown. */
  abandon: AbortSignal;
}

export interface LoadContext extends LoadSettings {
  /** Of this run; no two of its jobs have the same number. */
  nextNumber(): number;
  /** Repeats until the outcome is known. */
  sendUntilDefinite(path: string, options: SendOptions): Promise<Answer | undefined>;
  /** The id of an accepted job; undefined when its outcome stayed unknown. */
  getAcceptedId(kind: string, answer: Answer | undefined): string | undefined;
}

/** Something that one caller does again and again. */
export interface Caller {
  kind: string;
  count: number;
  pauseMs: number;
  act(context: LoadContext): Promise<void>;
}

/** The importId of rows that arrive as single jobs and in bulk, each with a number that no other has; their handler writes a row for each. */
export const keyedRowsImportId = randomUUID();
/** The same, without an Idempotency-Key: such a request may be carried out twice. */
export const unkeyedRowsImportId = randomUUID();

/** Runs all callers until `signal` is aborted; resolves when the last request is answered or given up. */
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
      await sleep(pauseMs, undefined, { signal: settings.signal }).catch(() => {});
    }
  }

  await Promise.all(
    callers.flatMap((caller) => Array.from({ length: caller.count }, () => repeat(caller))),
  );
}
