/** The parts of the peers' packages that the benchmark uses; the packages are no dependency of this workspace. */
export interface PgBossModule {
  PgBoss: new (options: { connectionString: string }) => PgBoss;
}

interface PgBoss {
  on(event: "error", listener: (error: unknown) => void): void;
  start(): Promise<unknown>;
  createQueue(name: string): Promise<void>;
  send(name: string, data: unknown): Promise<string | null>;
  insert(
    name: string,
    jobs: { data: unknown }[],
    options: { returnId: boolean },
  ): Promise<string[] | null>;
  work(
    name: string,
    options: Record<string, unknown>,
    handler: (jobs: { data: { message: string } }[]) => Promise<unknown>,
  ): Promise<string>;
}

export interface GraphileWorkerModule {
  makeWorkerUtils(options: { connectionString: string }): Promise<WorkerUtils>;
  run(options: {
    connectionString: string;
    taskList: Record<string, (payload: { message: string }) => Promise<void>>;
    preset: { worker: Record<string, unknown> };
  }): Promise<unknown>;
}

interface WorkerUtils {
  migrate(): Promise<void>;
  addJob(identifier: string, payload: unknown): Promise<{ id: string }>;
  addJobs(jobs: { identifier: string; payload: unknown }[]): Promise<{ id: string }[]>;
}

export interface BunqueueModule {
  Worker: new (
    queue: string,
    process: (job: { data: { message: string } }) => Promise<unknown>,
    options: Record<string, unknown>,
  ) => unknown;
}
