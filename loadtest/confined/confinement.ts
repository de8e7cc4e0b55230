export interface Limits {
  cpus: number;
  memoryBytes: number;
}

export interface Usage {
  /** Total CPU time. */
  cpuUs: number;
  /** Peak until now, including files in the page cache. */
  peakBytes: number;
  /** Memory of processes rather than files, now. */
  anonymousBytes: number;
}

/** A group of processes with a part of the resources of the machine. */
export interface Confinement extends AsyncDisposable {
  /** Returns the command that runs another one inside the group. */
  enter(command: string, args: readonly string[]): { command: string; args: string[] };
  /** @param pid of the first process inside; `describe` returns its limits as text */
  measure(pid: number): { describe(): string; read(): Usage };
}
