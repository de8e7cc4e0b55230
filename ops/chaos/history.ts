/** A violated rule. */
export interface Violation {
  rule: string;
  detail: unknown;
  at: string;
}

export interface Upload {
  importId: string;
  accepted: number;
}

/** What the service acknowledged, and violations that clients can detect. */
export interface History {
  /** Ids of jobs of single and bulk requests. */
  readonly ids: string[];
  /** Acknowledged imports, by the name that is in each of their rows. */
  readonly uploads: Map<string, Upload>;
  /** Jobs whose cancellation was acknowledged. */
  readonly cancelled: string[];
  /** Labels of jobs that an acknowledged operation cancels. */
  readonly operations: string[];
  readonly violations: Violation[];
  /** Number of acknowledged actions by kind. */
  readonly counts: Map<string, number>;
  readonly acknowledged: number;
  count(kind: string, jobs?: number): void;
  addViolation(what: string, detail: unknown): void;
  /** Aborted on the first violation. */
  readonly violated: AbortSignal;
}

export function createHistory(): History {
  const broken = new AbortController();
  const done = new Map<string, number>();
  const uploads = new Map<string, Upload>();
  const violations: Violation[] = [];
  const ids: string[] = [];
  return {
    ids,
    uploads,
    cancelled: [],
    operations: [],
    violations,
    counts: done,
    get acknowledged() {
      return [...uploads.values()].reduce((sum, { accepted }) => sum + accepted, ids.length);
    },
    count(kind, jobs = 1) {
      done.set(kind, (done.get(kind) ?? 0) + jobs);
    },
    addViolation(what, detail) {
      violations.push({ rule: what, detail, at: new Date().toISOString() });
      broken.abort();
    },
    violated: broken.signal,
  };
}
