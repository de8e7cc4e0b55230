import {
  type ClosedLoop,
  type ClosedLoopSettings,
  type LoadResult,
  openClosedLoop,
} from "./closed-loop.ts";

/** The load generator runs in its own process, so that its CPU time is measured separately. */
export type LoadRequest =
  | ({ kind: "connect" } & ClosedLoopSettings)
  | { kind: "run"; seconds: number };
export type LoadReply =
  | { kind: "connected" }
  | { kind: "done"; result: LoadResult }
  | { kind: "failed"; message: string };

let loop: ClosedLoop | undefined;

async function handleRequest(order: LoadRequest): Promise<LoadReply> {
  if (order.kind === "connect") {
    loop = await openClosedLoop(order);
    return { kind: "connected" };
  }
  if (loop === undefined) throw new Error("not connected");
  return { kind: "done", result: await loop.run(order.seconds) };
}

process.on("message", (order: LoadRequest) => {
  void handleRequest(order)
    .catch((error: unknown): LoadReply => ({ kind: "failed", message: String(error) }))
    .then((news) => process.send?.(news));
});
process.on("disconnect", () => process.exit());
