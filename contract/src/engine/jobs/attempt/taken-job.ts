import { parseJsonOrNull } from "../../../api/json/json.ts";
import type { DispatchOptions } from "../../redis/scripts/options.ts";
import type { TakenJson } from "../../redis/scripts/take.ts";

/** BullMQ options of a taken job. Toril sets the last three for BullMQ. */
export type TakenOptions = Partial<DispatchOptions> & {
  delay?: number;
  telemetry?: { metadata?: string };
  /** Maximum number of log lines that Redis keeps. */
  keepLogs?: number;
  /** Maximum number of stacks that Redis keeps. */
  stackTraceLimit?: number;
};

/** The scripts of BullMQ that change a taken job. */
export interface JobBackend {
  addLog(id: string, line: string, keepLogs?: number): Promise<unknown>;
  updateProgress(id: string, progress: number | object): Promise<void>;
  extendLock(id: string, token: string, durationMs: number): Promise<number>;
  moveToDelayed(
    id: string,
    now: number,
    delayMs: number,
    token: string,
    options: { skipAttempt: boolean },
  ): Promise<unknown>;
  moveJobFromActiveToWait(id: string, token: string): Promise<unknown>;
}

/** A job whose lock this process holds. A subset of BullMQ's `Job`, with the same names, and cheaper to create. */
export class TakenJob {
  readonly id: string;
  /** Value of the job's lock. */
  readonly token: string;
  readonly queueName: string;
  /** Empty if Redis lost the hash of the job. */
  name: string;
  data: unknown;
  readonly opts: TakenOptions;
  readonly timestamp: number;
  readonly processedOn: number;
  /** Name of the worker that took the job. */
  readonly worker: string;
  readonly attemptsMade: number;
  readonly attemptsStarted: number;
  readonly stalledCounter: number;
  /** Why the job must fail without running. */
  readonly deferredFailure: string | undefined;
  /** Id of the BullMQ job scheduler that created the job. */
  readonly schedulerId: string | undefined;
  /** When the lock was last renewed, ms since 1970. */
  renewedAt: number;
  readonly #backend: JobBackend;

  constructor(json: TakenJson, queueName: string, backend: JobBackend) {
    this.id = json.id;
    this.token = json.token;
    this.queueName = queueName;
    this.name = json.name ?? "";
    this.data = parseJsonOrNull(json.data ?? "{}");
    this.opts = parseOptions(json.options);
    this.timestamp = json.timestamp;
    this.processedOn = json.takenAt;
    this.worker = json.worker;
    this.attemptsMade = json.attemptsMade;
    this.attemptsStarted = json.attemptsStarted;
    this.stalledCounter = json.stalls;
    this.deferredFailure = json.deferredFailure;
    this.schedulerId = json.schedulerId;
    this.renewedAt = json.takenAt;
    this.#backend = backend;
  }

  /** Number of the attempt, from 1. Lost attempts count; BullMQ does not count them towards the maximum. */
  get attempt(): number {
    return this.attemptsMade + this.stalledCounter + 1;
  }

  /** Time from the due time to the start. The clocks of the dispatching and the running machine may differ. */
  get waitMs(): number {
    return Math.max(0, this.processedOn - this.timestamp - (this.opts.delay ?? 0));
  }

  get hasExpired(): boolean {
    const { expiresAt } = this.opts;
    return expiresAt !== undefined && expiresAt <= Date.now();
  }

  /** Tenant for log lines; authorization must use the ledger's tenant. */
  get tenant(): string {
    const { tenant } = this.opts as { tenant?: unknown };
    return typeof tenant === "string" ? tenant : "default";
  }

  /** W3C traceparent of the job. */
  get traceparent(): string | undefined {
    const metadata = parseJsonOrNull(this.opts.telemetry?.metadata) ?? {};
    const { traceparent } = metadata as { traceparent?: unknown };
    return typeof traceparent === "string" ? traceparent : undefined;
  }

  async log(line: string): Promise<void> {
    await this.#backend.addLog(this.id, line, this.opts.keepLogs);
  }

  updateProgress(progress: number | object): Promise<void> {
    return this.#backend.updateProgress(this.id, progress);
  }

  /** Resolves to whether this process still holds the lock. */
  async extendLock(durationMs: number): Promise<boolean> {
    return (await this.#backend.extendLock(this.id, this.token, durationMs)) === 1;
  }

  /** Delays the job without counting an attempt. */
  async moveToDelayed(due: Date): Promise<void> {
    const now = Date.now();
    const delayMs = Math.max(0, due.getTime() - now);
    await this.#backend.moveToDelayed(this.id, now, delayMs, this.token, { skipAttempt: true });
  }

  /** Puts the job back to the front of the queue. */
  async moveToWait(): Promise<void> {
    await this.#backend.moveJobFromActiveToWait(this.id, this.token);
  }
}

function parseOptions(text: string | undefined): TakenOptions {
  const options = parseJsonOrNull(text);
  if (typeof options !== "object" || options === null) return {};
  // BullMQ's abbreviation; Toril uses no other option that BullMQ abbreviates.
  const { tm } = options as { tm?: unknown };
  if (typeof tm === "string") (options as TakenOptions).telemetry = { metadata: tm };
  return options;
}
