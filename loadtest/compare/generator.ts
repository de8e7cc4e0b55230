import type { ClosedLoopSettings, LoadResult } from "./closed-loop.ts";
import type { LoadReply, LoadRequest } from "./load-process.ts";

/** Controls the process of the load generator. */
export interface Generator extends AsyncDisposable {
  pid: number;
  connect(settings: ClosedLoopSettings): Promise<void>;
  run(seconds: number): Promise<LoadResult>;
}

export function startGenerator(): Generator {
  let next = createReply();
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/load-process.ts`], {
    stdio: ["ignore", "inherit", "inherit"],
    ipc: (news: LoadReply) => next.resolve(news),
    onExit: (_, code) => next.reject(new Error(`the load generator ended with exit code ${code}`)),
  });

  async function request(message: LoadRequest): Promise<LoadReply> {
    next = createReply();
    child.send(message);
    const reply = await next.promise;
    if (reply.kind === "failed") throw new Error(`load generator: ${reply.message}`);
    return reply;
  }

  return {
    pid: child.pid,
    async connect(settings) {
      await request({ kind: "connect", ...settings });
    },
    async run(seconds) {
      const news = await request({ kind: "run", seconds });
      if (news.kind !== "done") throw new Error("the load generator did not run");
      return news.result;
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

function createReply() {
  const reply = Promise.withResolvers<LoadReply>();
  // The process may end while nobody waits for a reply.
  reply.promise.catch(() => {});
  return reply;
}
