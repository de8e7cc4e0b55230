import type { Socket } from "bun";

import { responseLength, isCreated } from "./answer.ts";

export interface LoadResult {
  created: number;
  errors: number;
  /** From the first request to the last response. */
  seconds: number;
  p50Ms: number;
  p99Ms: number;
}

export interface ClosedLoop {
  run(seconds: number): Promise<LoadResult>;
}

interface PendingRequest {
  sentAt: number;
  received: string;
}

/** How long responses are awaited after the end of a round. */
const drainTimeoutMs = 10_000;

/** Opens keep-alive connections that each send `request` again after every response. */
export async function openClosedLoop(
  port: number,
  connections: number,
  request: Uint8Array,
): Promise<ClosedLoop> {
  const latenciesMs: number[] = [];
  let errors = 0;
  let inFlight = 0;
  let endsAt = 0;
  let lastResponseAt = 0;
  const { promise: isOver, resolve: finish } = Promise.withResolvers<void>();

  function send(socket: Socket<PendingRequest>) {
    inFlight += 1;
    socket.data.sentAt = performance.now();
    // An idle loopback socket accepts a small request at once, unless it is broken.
    if (socket.write(request) !== request.length) socket.terminate();
  }

  function settle(isGood: boolean, sentAt: number) {
    lastResponseAt = performance.now();
    inFlight -= 1;
    if (isGood) latenciesMs.push(lastResponseAt - sentAt);
    else errors += 1;
    if (lastResponseAt >= endsAt && inFlight === 0) finish();
  }

  const handler: Bun.SocketHandler<PendingRequest> = {
    data(socket, chunk) {
      const exchange = socket.data;
      exchange.received += chunk.toString("latin1");
      if (exchange.received.length < responseLength(exchange.received)) return;
      settle(isCreated(exchange.received), exchange.sentAt);
      exchange.received = "";
      if (lastResponseAt < endsAt) send(socket);
    },
    close(socket) {
      if (lastResponseAt < endsAt || inFlight > 0) settle(false, socket.data.sentAt);
    },
  };
  const sockets: Socket<PendingRequest>[] = [];
  for (let count = 0; count < connections; count += 1) {
    const data = { sentAt: 0, received: "" };
    sockets.push(await Bun.connect({ hostname: "127.0.0.1", port, data, socket: handler }));
  }

  return {
    async run(seconds) {
      const startedAt = performance.now();
      endsAt = startedAt + seconds * 1000;
      for (const socket of sockets) send(socket);
      const impatience = setTimeout(finish, seconds * 1000 + drainTimeoutMs);
      await isOver;
      clearTimeout(impatience);
      errors += inFlight;
      inFlight = 0;
      for (const socket of sockets) socket.terminate();
      latenciesMs.sort((a, b) => a - b);
      return {
        created: latenciesMs.length,
        errors,
        seconds: (lastResponseAt - startedAt) / 1000,
        p50Ms: quantile(latenciesMs, 0.5),
        p99Ms: quantile(latenciesMs, 0.99),
      };
    },
  };
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
}
