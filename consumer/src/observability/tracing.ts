/** Spans of runs. Its implementation is loaded only where there is somebody to send them to. */
export interface Tracing {
  begin(run: TracedAttempt): AttemptTrace;
  /** Sends what is left, for a while. */
  close(): Promise<void>;
}

export interface TracedAttempt {
  queue: string;
  type: string;
  bullId: string;
  attempt: number;
  /** What the job carries. */
  traceparent: string | undefined;
}

export interface AttemptTrace {
  /** What jobs of its handler carry. */
  readonly traceparent: string;
  /** Runs `work` in a span below this one, which is the active one meanwhile. */
  step<Result>(name: string, work: () => Promise<Result>): Promise<Result>;
  end(outcome: string, thrown?: unknown): void;
}
