/** Spans of attempts. The OTLP implementation is loaded only when tracing is configured. */
export interface Tracing {
  begin(run: TracedAttempt): AttemptTrace;
  /** Flushes remaining spans within a deadline. */
  close(): Promise<void>;
}

export interface TracedAttempt {
  queue: string;
  type: string;
  bullId: string;
  attempt: number;
  /** Trace context of the job. */
  traceparent: string | undefined;
}

export interface AttemptTrace {
  /** Trace context for jobs that the handler enqueues. */
  readonly traceparent: string;
  /** Runs `work` in a child span, which is the active span meanwhile. */
  step<Result>(name: string, work: () => Promise<Result>): Promise<Result>;
  end(outcome: string, thrown?: unknown): void;
}
