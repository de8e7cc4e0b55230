import type { Socket } from "bun";

import { isAccepted, responseLength } from "./answer.ts";
import { uniquePlaceholder } from "./requests.ts";

export interface LoadResult {
  /** Requests with the expected response. */
  accepted: number;
  errors: number;
  /** From the first request to the last response. */
  seconds: number;
  p50Ms: number;
  p99Ms: number;
}

export interface ClosedLoop {
  run(seconds: number): Promise<LoadResult>;
}

export interface ClosedLoopSettings {
  /** Connections are spread evenly over the ports. */
  ports: readonly number[];
  connections: number;
  request: string;
  expected: string;
}

interface Connection {
  request: Buffer;
  /** Bytes of the request that the socket has accepted. */
  sent: number;
  sentAt: number;
  received: string;
}

/** How long responses are awaited after the end of a round. */
const drainTimeoutMs = 30_000;

/** Opens keep-alive connections that each send the request again after every response. */
export async function openClosedLoop(settings: ClosedLoopSettings): Promise<ClosedLoop> {
  const { ports, connections, expected } = settings;
  const uniqueAt = settings.request.indexOf(uniquePlaceholder);
  const uniqueEnd = uniqueAt + uniquePlaceholder.length;
  const digits = uniquePlaceholder.replace(/^\D*/, "").length;
  // Different from the keys of earlier rounds.
  let count = Math.floor(Math.random() * 10 ** (digits - 3)) * 1000;
  const latenciesMs: number[] = [];
  let errors = 0;
  let inFlight = 0;
  let endsAt = 0;
  let lastResponseAt = 0;
  const { promise: isOver, resolve: finish } = Promise.withResolvers<void>();

  function send(socket: Socket<Connection>) {
    const connection = socket.data;
    if (uniqueAt >= 0) {
      count += 1;
      const text = String(count % 10 ** digits).padStart(digits, "0");
      connection.request.write(text, uniqueEnd - digits, "latin1");
    }
    inFlight += 1;
    connection.sent = 0;
    connection.sentAt = performance.now();
    sendRest(socket);
  }

  function sendRest(socket: Socket<Connection>) {
    const { request, sent } = socket.data;
    if (sent < request.length) {
      socket.data.sent += socket.write(sent === 0 ? request : request.subarray(sent));
    }
  }

  function settle(isGood: boolean, sentAt: number) {
    lastResponseAt = performance.now();
    inFlight -= 1;
    if (isGood) latenciesMs.push(lastResponseAt - sentAt);
    else errors += 1;
    if (lastResponseAt >= endsAt && inFlight === 0) finish();
  }

  const handler: Bun.SocketHandler<Connection> = {
    data(socket, chunk) {
      const connection = socket.data;
      connection.received += chunk.toString("latin1");
      if (connection.received.length < responseLength(connection.received)) return;
      settle(isAccepted(connection.received, expected), connection.sentAt);
      connection.received = "";
      if (lastResponseAt < endsAt) send(socket);
    },
    drain: sendRest,
    close(socket) {
      if (lastResponseAt < endsAt || inFlight > 0) settle(false, socket.data.sentAt);
    },
  };
  const sockets: Socket<Connection>[] = [];
  for (let index = 0; index < connections; index += 1) {
    const port = ports[index % ports.length] ?? 0;
    const request = Buffer.from(settings.request);
    const data = { request, sent: 0, sentAt: 0, received: "" };
    sockets.push(await Bun.connect({ hostname: "127.0.0.1", port, data, socket: handler }));
  }

  return {
    async run(seconds) {
      const startedAt = performance.now();
      endsAt = startedAt + seconds * 1000;
      for (const socket of sockets) send(socket);
      const timeout = setTimeout(finish, seconds * 1000 + drainTimeoutMs);
      await isOver;
      clearTimeout(timeout);
      errors += inFlight;
      inFlight = 0;
      for (const socket of sockets) socket.terminate();
      latenciesMs.sort((a, b) => a - b);
      return {
        accepted: latenciesMs.length,
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
