import type { LoadResult } from "./closed-loop.ts";
import type { LoadReply, LoadRequest } from "./load-process.ts";

/** Controls the process of the load generator. */
export interface Generator extends AsyncDisposable {
  pid: number;
  connect(port: number, connections: number, bodyBytes: number): Promise<void>;
  run(seconds: number): Promise<LoadResult>;
}

export function startGenerator(): Generator {
  let next = Promise.withResolvers<LoadReply>();
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/load-process.ts`], {
    stdio: ["ignore", "inherit", "inherit"],
    ipc: (news: LoadReply) => next.resolve(news),
    onExit: (_, code) => next.reject(new Error(`the load generator ended with exit code ${code}`)),
  });

  function request(message: LoadRequest): Promise<LoadReply> {
    next = Promise.withResolvers();
    child.send(message);
    return next.promise;
  }

  return {
    pid: child.pid,
    async connect(port, connections, bodyBytes) {
      await request({ kind: "connect", port, connections, bodyBytes });
    },
    async run(seconds) {
      const news = await request({ kind: "run", seconds });
      if (news.kind !== "done") throw new Error("the load generator did not run");
      return news.result;
    },
    async [Symbol.asyncDispose]() {
      next.promise.catch(() => {});
      child.kill();
      await child.exited;
    },
  };
}
