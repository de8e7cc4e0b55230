/** Traces requests. The implementation is loaded only if a collector is configured. */
export interface Tracing {
  /** @param traceparent the client's header, if any */
  begin(method: string, traceparent: string | null): RequestTrace;
  /** Flushes the remaining spans, for a limited time. */
  close(): Promise<void>;
}

export interface RequestTrace {
  /** Trace context that the request's jobs carry. */
  readonly traceparent: string;
  end(response: TracedResponse): void;
}

export interface TracedResponse {
  route: string;
  path: string;
  status: number;
  problem: string | undefined;
  requestId: string;
  jobId: string | undefined;
}
