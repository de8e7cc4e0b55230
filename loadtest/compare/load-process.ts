import { type ClosedLoop, type LoadResult, openClosedLoop } from "./closed-loop.ts";

/** The load generator runs in its own process, so that its CPU time is measured separately. */
export type LoadRequest =
  | { kind: "connect"; port: number; connections: number; bodyBytes: number }
  | { kind: "run"; seconds: number };
export type LoadReply = { kind: "connected" } | { kind: "done"; result: LoadResult };

let loop: ClosedLoop | undefined;

async function handleRequest(order: LoadRequest): Promise<LoadReply> {
  if (order.kind === "connect") {
    loop = await openClosedLoop(order.port, order.connections, createRequest(order.bodyBytes));
    return { kind: "connected" };
  }
  if (loop === undefined) throw new Error("not connected");
  return { kind: "done", result: await loop.run(order.seconds) };
}

function createRequest(bodyBytes: number): Uint8Array {
  const empty = JSON.stringify({ type: "echo", data: { message: "" } });
  const message = "x".repeat(Math.max(0, bodyBytes - empty.length));
  const body = JSON.stringify({ type: "echo", data: { message } });
  return Buffer.from(
    [
      "POST /v1/jobs HTTP/1.1",
      "Host: 127.0.0.1",
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
      "",
      body,
    ].join("\r\n"),
  );
}

process.on("message", (order: LoadRequest) => {
  void handleRequest(order).then((news) => process.send?.(news));
});
process.on("disconnect", () => process.exit());
