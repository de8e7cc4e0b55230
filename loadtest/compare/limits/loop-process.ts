import { type Loop, type LoopName, loops, type LoopSettings } from "./loops.ts";

/** Runs a loop in its own process, whose CPU time is measured. */
export type LoopRequest =
  | ({ kind: "prepare"; loop: LoopName; backlog: number } & LoopSettings)
  | { kind: "run"; seconds: number };
export type LoopReply =
  | { kind: "ready" }
  | { kind: "done"; jobs: number; seconds: number }
  | { kind: "failed"; message: string };

let loop: Loop | undefined;

async function handleRequest(request: LoopRequest): Promise<LoopReply> {
  if (request.kind === "prepare") {
    loop = await loops[request.loop](request, request.backlog);
    return { kind: "ready" };
  }
  if (loop === undefined) throw new Error("not prepared");
  const { turn, concurrency } = loop;
  const startedAt = performance.now();
  const endsAt = startedAt + request.seconds * 1000;
  let jobs = 0;
  async function runTurns() {
    while (performance.now() < endsAt) {
      const count = await turn();
      if (count === 0) return;
      jobs += count;
    }
  }
  await Promise.all(Array.from({ length: concurrency }, runTurns));
  return { kind: "done", jobs, seconds: (performance.now() - startedAt) / 1000 };
}

process.on("message", (request: LoopRequest) => {
  void handleRequest(request)
    .catch((error: unknown): LoopReply => ({ kind: "failed", message: String(error) }))
    .then((reply) => process.send?.(reply));
});
process.on("disconnect", () => process.exit());
