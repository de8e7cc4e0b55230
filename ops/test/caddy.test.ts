import { expect, test } from "bun:test";
import { Problem } from "@toril/contract/api/problem";

import { until as patiently } from "../dev/until.ts";
import { startCaddy } from "../dev/processes/caddy.ts";
import { startUpstream, type Upstream } from "./_fake-producer.ts";

const until = <T>(what: string, probe: () => Promise<T | undefined>) =>
  patiently(what, probe, { timeoutMs: 30_000 });

const key = { "Idempotency-Key": "one" };
/** What becomes of a request whose connection broke after it was sent: the answer, and how often it was sent. */
const broken: [string, RequestInit & { body?: string }, { status: number; sent: number }][] = [
  ["a GET", {}, { status: 200, sent: 2 }],
  ["a HEAD", { method: "HEAD" }, { status: 200, sent: 2 }],
  ["a DELETE", { method: "DELETE" }, { status: 200, sent: 2 }],
  ["a PUT", { method: "PUT", body: "{}" }, { status: 200, sent: 2 }],
  [
    "a POST with an Idempotency-Key",
    { method: "POST", body: "{}", headers: key },
    { status: 200, sent: 2 },
  ],
  ["a POST without one", { method: "POST", body: "{}" }, { status: 503, sent: 1 }],
];

test.each(broken)(
  "%s whose connection broke is sent to another producer only if that is safe",
  async (_, request, expected) => {
    let isFirst = true;
    const breakFirst = (upstream: () => Upstream) => async (got: Request) => {
      const body = await got.text();
      if (!isFirst) return new Response(body);
      isFirst = false;
      await upstream().server.stop(true);
      return new Response();
    };
    await using one: Upstream = startUpstream(breakFirst(() => one));
    await using other: Upstream = startUpstream(breakFirst(() => other));
    await using caddy = await startCaddy([one.url, other.url]);

    const response = await fetch(`${caddy.url}/v1/things`, request);
    const sent = one.requests.length + other.requests.length;
    expect({ status: response.status, sent }).toEqual(expected);
    if (expected.status === 503) {
      const problem = Problem.parse(await response.json());
      expect(problem.type).toBe("urn:toril:problem:at-capacity");
      expect(response.headers.get("Retry-After")).toBe("1");
    } else if (request.method !== "HEAD") {
      expect(await response.text()).toBe(request.body ?? "");
    }
  },
);

test("an unreachable producer is skipped for every request", async () => {
  await using gone = startUpstream(() => new Response());
  await using there = startUpstream(async (request) => new Response(await request.text()));
  await using caddy = await startCaddy([gone.url, there.url]);
  await gone.server.stop(true);

  for (let index = 0; index < 20; index += 1) {
    const response = await fetch(`${caddy.url}/v1/jobs`, { method: "POST", body: `job ${index}` });
    expect({ status: response.status, body: await response.text() }).toEqual({
      status: 200,
      body: `job ${index}`,
    });
  }
});

test("an unknown host name is answered 421, not with an empty 200", async () => {
  await using producer = startUpstream(() => new Response());
  await using caddy = await startCaddy([producer.url], {}, "http", "localhost");
  const { port } = new URL(caddy.url);

  const named = await fetch(`http://localhost:${port}/v1/jobs`, { method: "POST", body: "{}" });
  expect(named.status).toBe(200);
  for (const url of [
    `http://127.0.0.1:${port}`,
    caddy.dashboardUrl.replace("127.0.0.1", "localhost"),
  ]) {
    const misdirected = await fetch(`${url}/v1/jobs`, { method: "POST", body: "{}" });
    expect(misdirected.status).toBe(421);
    expect(misdirected.headers.get("Content-Type")).toBe("application/problem+json");
  }
  expect(producer.requests).toHaveLength(1);
});

test("a producer that is not ready gets no requests until it is ready", async () => {
  let status = 503;
  await using unready = startUpstream(
    () => new Response(),
    () => status,
  );
  await using ready = startUpstream(() => new Response());
  await using caddy = await startCaddy([unready.url, ready.url]);
  const ask = async () => void (await fetch(`${caddy.url}/v1/jobs`));

  await until("the other one gets all of twenty", async () => {
    unready.requests.length = 0;
    for (let index = 0; index < 20; index += 1) await ask();
    return unready.requests.length === 0 || undefined;
  });
  status = 200;
  await until("it gets one", async () => {
    await ask();
    return unready.requests.length > 0 || undefined;
  });
});

test("the producer with the fewest requests in flight gets the next request", async () => {
  const held = Promise.withResolvers<void>();
  const answer = async () => {
    await held.promise;
    return new Response();
  };
  await using one = startUpstream(answer);
  await using other = startUpstream(answer);
  await using caddy = await startCaddy([one.url, other.url]);

  const waiting = [];
  for (let index = 1; index <= 20; index += 1) {
    waiting.push(fetch(`${caddy.url}/v1/jobs`));
    await until("it arrives", async () => {
      return one.requests.length + other.requests.length === index || undefined;
    });
    expect(Math.abs(one.requests.length - other.requests.length)).toBeLessThanOrEqual(1);
  }
  held.resolve();
  await Promise.all(waiting);
});

test("a response is streamed chunk by chunk", async () => {
  const more = Promise.withResolvers<void>();
  await using upstream = startUpstream(() => {
    const parts = async function* () {
      yield "data: one\n\n";
      await more.promise;
      yield "data: two\n\n";
    };
    return new Response(parts(), { headers: { "Content-Type": "text/event-stream" } });
  });
  await using caddy = await startCaddy([upstream.url]);

  const response = await fetch(`${caddy.url}/v1/jobs/1/events`);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toBe("data: one\n\n");
  more.resolve();
  expect((await reader.read()).value).toBe("data: two\n\n");
  expect((await reader.read()).done).toBe(true);
});

test("an upload is streamed chunk by chunk", async () => {
  const arrived = Promise.withResolvers<string>();
  await using upstream = startUpstream(async (request) => {
    let text = "";
    for await (const part of request.body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      arrived.resolve(text);
    }
    return new Response(text);
  });
  await using caddy = await startCaddy([upstream.url]);

  const file = async function* () {
    yield "a,b\n";
    yield `${await arrived.promise}1,2\n`;
  };
  const response = await fetch(`${caddy.url}/v1/imports`, { method: "POST", body: file() });
  expect(await response.text()).toBe("a,b\na,b\n1,2\n");
});

const tooLarge: [string, () => NonNullable<RequestInit["body"]>][] = [
  ["with a Content-Length", () => new Uint8Array(40_000_000)],
  [
    "without a Content-Length",
    () => new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(1e6)) }),
  ],
];

test.each(tooLarge)(
  "a body over the limit %s is refused, and does not count as a producer's failure",
  async (_, body) => {
    await using upstream = startUpstream(async (request) => {
      await request.bytes();
      return new Response("got it");
    });
    await using caddy = await startCaddy([upstream.url]);

    const status = await fetch(`${caddy.url}/v1/jobs/bulk`, { method: "POST", body: body() }).then(
      async (response) => Problem.parse(await response.json()).status,
      // It was cut off while it still sent.
      () => 413,
    );
    expect(status).toBe(413);
    const small = await fetch(`${caddy.url}/v1/jobs/bulk`, { method: "POST", body: "[]" });
    expect(await small.text()).toBe("got it");
  },
);

test("an import may be larger than other bodies", async () => {
  await using upstream = startUpstream(async (request) => {
    let bytes = 0;
    for await (const part of request.body!) bytes += part.length;
    return new Response(String(bytes));
  });
  await using caddy = await startCaddy([upstream.url]);
  const body = new Uint8Array(40_000_000);
  const response = await fetch(`${caddy.url}/v1/imports`, { method: "POST", body });
  expect(await response.text()).toBe("40000000");
});

test("responses have security headers, and none that identifies the proxy", async () => {
  await using upstream = startUpstream(() => new Response("hello"));
  await using caddy = await startCaddy([upstream.url]);
  for (const address of [`${caddy.url}/docs`, `${caddy.dashboardUrl}/missing`]) {
    const { headers } = await fetch(address);
    expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(headers.get("X-Frame-Options")).toBe("DENY");
    expect(headers.get("Referrer-Policy")).toBe("no-referrer");
    expect(headers.get("Server")).toBeNull();
    expect(headers.get("Strict-Transport-Security")).toBeNull();
  }
});

test("over TLS, responses have Strict-Transport-Security", async () => {
  await using upstream = startUpstream(() => new Response("hello"));
  await using caddy = await startCaddy([upstream.url], { TLS: "internal" }, "https");
  // It makes its certificate when it has started.
  const response = await until("it has a certificate", () =>
    fetch(caddy.url, { tls: { rejectUnauthorized: false } }),
  );
  expect(await response.text()).toBe("hello");
  expect(response.headers.get("Strict-Transport-Security")).toBe("max-age=31536000");
});
