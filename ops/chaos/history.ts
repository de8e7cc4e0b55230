/** Something that must never happen. */
export interface Violation {
  rule: string;
  detail: unknown;
  at: string;
}

export interface Upload {
  importId: string;
  accepted: number;
}

/** What the service has acknowledged, and what it did wrong as far as its callers can see. */
export interface History {
  /** Jobs of single and bulk requests. */
  readonly ids: string[];
  /** Of acknowledged imports, by the name that each of their rows carries. */
  readonly uploads: Map<string, Upload>;
  /** Whose cancellation was acknowledged. */
  readonly cancelled: string[];
  /** Labels of the jobs that an acknowledged operation cancels. */
  readonly operations: string[];
  readonly violations: Violation[];
  /** How often what was done and answered, by kind. */
  readonly counts: Map<string, number>;
  readonly acknowledged: number;
  count(kind: string, jobs?: number): void;
  addViolation(what: string, detail: unknown): void;
  /** Aborted by the first violation. */
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
