/** Something that must never happen. */
export interface Violation {
  what: string;
  detail: unknown;
  at: string;
}

export interface Upload {
  importId: string;
  accepted: number;
}

/** What the service has acknowledged, and what it did wrong as far as its callers can see. */
export interface Account {
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
  readonly done: Map<string, number>;
  readonly acknowledged: number;
  note(kind: string, jobs?: number): void;
  violate(what: string, detail: unknown): void;
  /** Aborted by the first violation. */
  readonly broken: AbortSignal;
}

export function createAccount(): Account {
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
    done,
    get acknowledged() {
      return [...uploads.values()].reduce((sum, { accepted }) => sum + accepted, ids.length);
    },
    note(kind, jobs = 1) {
      done.set(kind, (done.get(kind) ?? 0) + jobs);
    },
    violate(what, detail) {
      violations.push({ what, detail, at: new Date().toISOString() });
      broken.abort();
    },
    broken: broken.signal,
  };
}
