import type { Socket } from "bun";

import { responseLength } from "../../../loadtest/compare/answer.ts";

/**
 * Clients of the overload measurement, in a process of their own, with raw sockets and a prepared request: the less CPU
 * they use, the more of it is the service's.
 */
export type ClientsCommand =
  /** Later connections are distributed over the ports. */
  | { kind: "connect"; ports: readonly number[]; request: string }
  /** Each client sends its next request after a response. */
  | { kind: "closed"; clients: number }
  /** Each client wants to send a request every `everyMs`. */
  | { kind: "open"; clients: number; everyMs: number; isRetryAfterHonoured: boolean }
  /** Starts counting. */
  | { kind: "reset" }
  /** Stops counting and sending, and waits for the last responses. */
  | { kind: "stop" };

export interface Tally {
  sent: number;
  /** Responses by status; 0 for a broken connection. */
  statuses: [status: number, count: number][];
  /** Latencies of accepted requests. */
  latenciesMs: number[];
  retryAfterSeconds: number[];
}

interface PendingRequest {
  received: string;
  missingBytes: number;
  resolve(head: string): void;
}

interface Client {
  /** @returns the head of the response; undefined if the connection broke */
  send(): Promise<string | undefined>;
  close(): void;
}

const drainMs = 10_000;

let target: { ports: readonly number[]; request: string } = { ports: [], request: "" };
let tally = createTally();
let running = new AbortController();
let loops: Promise<void>[] = [];
const clients: Client[] = [];

function createTally() {
  return { sent: 0, statuses: new Map<number, number>(), latenciesMs: [], retryAfter: [] } as {
    sent: number;
    statuses: Map<number, number>;
    latenciesMs: number[];
    retryAfter: number[];
  };
}

function createClient(index: number): Client {
  let socket: Socket<PendingRequest> | undefined;
  const handler: Bun.SocketHandler<PendingRequest> = {
    data({ data }, chunk) {
      if (data.missingBytes === Infinity) {
        data.received += chunk.toString("latin1");
        data.missingBytes = responseLength(data.received) - data.received.length;
      } else {
        data.missingBytes -= chunk.length;
      }
      if (data.missingBytes <= 0) data.resolve(data.received);
    },
    close({ data }) {
      socket = undefined;
      data.resolve("");
    },
  };
  return {
    async send() {
      const { promise, resolve } = Promise.withResolvers<string>();
      const request = { received: "", missingBytes: Infinity, resolve };
      if (socket === undefined) {
        const port = target.ports[index % target.ports.length] ?? 0;
        const address = { hostname: "127.0.0.1", port, data: request, socket: handler };
        socket = await Bun.connect(address).catch(() => undefined);
        if (socket === undefined) return undefined;
      }
      socket.data = request;
      if (socket.write(target.request) !== target.request.length) socket.terminate();
      return (await promise) || undefined;
    },
    close: () => socket?.terminate(),
  };
}

/** @returns seconds of Retry-After; 0 without */
async function post(client: Client): Promise<number> {
  const own = tally;
  const sentAt = performance.now();
  own.sent += 1;
  const head = await client.send();
  // A response counts in the period in which it arrives.
  const current = tally;
  const status = Number(head?.slice(9, 12) ?? 0);
  current.statuses.set(status, (current.statuses.get(status) ?? 0) + 1);
  if (status === 201 || status === 202) current.latenciesMs.push(performance.now() - sentAt);
  const seconds = Number(/\r\nretry-after: *(\d+)/i.exec(head ?? "")?.[1] ?? 0);
  if (status === 503) current.retryAfter.push(seconds);
  return seconds;
}

async function loopClosed(client: Client, { signal }: AbortController) {
  while (!signal.aborted) await post(client);
}

async function loopOpen(
  client: Client,
  offsetMs: number,
  { everyMs, isRetryAfterHonoured }: { everyMs: number; isRetryAfterHonoured: boolean },
  { signal }: AbortController,
) {
  let nextAt = performance.now() + offsetMs;
  while (!signal.aborted) {
    await Bun.sleep(Math.max(0, nextAt - performance.now()));
    if (signal.aborted) return;
    const sentAt = performance.now();
    const seconds = await post(client);
    nextAt = sentAt + everyMs;
    // As clients do, with some jitter.
    if (isRetryAfterHonoured && seconds > 0) {
      nextAt = performance.now() + seconds * 1000 * (1 + Math.random() / 4);
    }
  }
}

function start(command: ClientsCommand & { kind: "closed" | "open" }) {
  const { clients: count } = command;
  running = new AbortController();
  while (clients.length < count) clients.push(createClient(clients.length));
  loops = clients.slice(0, count).map((client, index) => {
    if (command.kind === "closed") return loopClosed(client, running);
    return loopOpen(client, (command.everyMs * index) / count, command, running);
  });
}

async function stop(): Promise<Tally> {
  const { sent, statuses, latenciesMs, retryAfter } = tally;
  running.abort();
  tally = createTally();
  await Promise.race([Promise.all(loops), Bun.sleep(drainMs)]);
  return { sent, statuses: [...statuses], latenciesMs, retryAfterSeconds: retryAfter };
}

async function handleCommand(command: ClientsCommand): Promise<Tally | null> {
  if (command.kind === "stop") return stop();
  if (command.kind === "connect") {
    target = command;
    for (const client of clients.splice(0)) client.close();
  } else if (command.kind === "reset") tally = createTally();
  else start(command);
  return null;
}

process.on("message", (command: ClientsCommand) => {
  void handleCommand(command).then((reply) => process.send?.(reply));
});
process.on("disconnect", () => process.exit());
