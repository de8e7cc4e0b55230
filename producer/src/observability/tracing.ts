/** Spans of requests. Its implementation is loaded only where there is somebody to send them to. */
export interface Tracing {
  /** @param traceparent the caller's, if it has one */
  begin(method: string, traceparent: string | null): RequestTrace;
  /** Sends what is left, for a while. */
  close(): Promise<void>;
}

export interface RequestTrace {
  /** What jobs of this request carry. */
  readonly traceparent: string;
  end(answer: Answered): void;
}

export interface Answered {
  route: string;
  path: string;
  status: number;
  problem: string | undefined;
  requestId: string;
  jobId: string | undefined;
}
