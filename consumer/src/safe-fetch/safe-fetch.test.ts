import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers/promises";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { createByteBudget, type HeldBytes } from "./byte-budget.ts";
import { createSafeFetch, type FetchedDocument, type SafeFetchOptions } from "./safe-fetch.ts";

const maxBytes = 100_000;
const seen: string[] = [];
let server: Server;
let base: string;
let port: number;

const routes: Record<string, RequestListener> = {
  "/feed": (_, response) => {
    response.setHeader("content-type", "application/rss+xml; charset=utf-8").end("<rss/>");
  },
  "/gzip": (_, response) => {
    response.setHeader("content-encoding", "gzip").end(gzipSync("packed"));
  },
  "/brotli": (_, response) => {
    response.setHeader("content-encoding", "br").end(brotliCompressSync("packed"));
  },
  "/half-gzip": (_, response) => {
    response.setHeader("content-encoding", "gzip").end(gzipSync("x".repeat(5000)).subarray(0, 20));
  },
  "/bomb": (_, response) => {
    response.setHeader("content-encoding", "gzip").end(gzipSync(Buffer.alloc(50_000_000)));
  },
  "/unknown-encoding": (_, response) => {
    response.setHeader("content-encoding", "zstd, gzip").end("?");
  },
  "/large": (_, response) => {
    response.end(Buffer.alloc(maxBytes + 1));
  },
  "/exactly-at-the-limit": (_, response) => {
    response.end(Buffer.alloc(maxBytes));
  },
  "/endless": (_, response) => {
    const more = () => {
      while (response.write(Buffer.alloc(16_384)));
    };
    response.on("drain", more);
    more();
  },
  "/cut": (_, response) => {
    response.writeHead(200, { "content-length": "1000" });
    response.write("half", () => response.destroy());
  },
  "/never": () => {},
  "/slow-body": (_, response) => {
    response.write("<rss>");
  },
  "/loop": (_, response) => {
    response.writeHead(302, { location: "/loop" }).end();
  },
  "/raw-utf-8": (_, response) => {
    response.writeHead(302, { location: Buffer.from("/%C3%A9/été").toString("latin1") }).end();
  },
  "/%C3%A9/%C3%A9t%C3%A9": (_, response) => {
    response.end("moved");
  },
  "/no-location": (_, response) => {
    response.writeHead(302).end();
  },
};

beforeAll(async () => {
  server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://local");
    seen.push(url.pathname);
    const answer = /^\/answer\/(\d+)$/.exec(url.pathname);
    const to = url.searchParams.get("to");
    if (answer) response.writeHead(Number(answer[1])).end();
    else if (to) response.writeHead(307, { location: to }).end();
    else routes[url.pathname]?.(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
  base = `http://127.0.0.1:${port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function _fetch(
  url: string,
  options: Partial<SafeFetchOptions> = {},
  signal = new AbortController().signal,
  authorization?: string,
): Promise<FetchedDocument> {
  const safeFetch = createSafeFetch({
    isPrivateAllowed: (address) => address === "127.0.0.1",
    timeoutMs: 10_000,
    maxBytes,
    maxHeldBytes: 10 * maxBytes,
    maxRedirects: 3,
    userAgent: "Toril/test",
    ...options,
  });
  try {
    return await safeFetch(url, { signal, authorization });
  } finally {
    await safeFetch.close();
  }
}

function _text(document: FetchedDocument): string {
  if (document.status === "ok") return new TextDecoder().decode(document.bytes);
  return document.status === "not-modified" ? document.status : document.detail;
}

describe("an address that is not public", () => {
  const spellings = [
    "http://127.0.0.1:PORT/feed",
    "http://127.1:PORT/feed",
    "http://127.0.0.1.:PORT/feed",
    "http://2130706433:PORT/feed",
    "http://017700000001:PORT/feed",
    "http://0x7f000001:PORT/feed",
    "http://0177.0.0.0x1:PORT/feed",
    "http://[::1]:PORT/feed",
    "http://[::]:PORT/feed",
    "http://[::ffff:127.0.0.1]:PORT/feed",
    "http://[::ffff:7f00:1]:PORT/feed",
    "http://[::127.0.0.1]:PORT/feed",
    "http://[64:ff9b::127.0.0.1]:PORT/feed",
    "http://[2002:7f00:1::]:PORT/feed",
    "http://[fc00::1]/",
    "http://[fe80::1]/",
    "http://[ff02::1]/",
    "http://0.0.0.0:PORT/feed",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    // Internal addresses of clouds: Azure, Google Kubernetes Engine, Alibaba, Oracle, AWS.
    "http://168.63.129.16/machine?comp=goalstate",
    "http://[::ffff:168.63.129.16]/",
    "http://34.118.224.1/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://[fd00:ec2::254]/",
    // Special ranges of the IANA registries.
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://192.31.196.1/",
    "http://192.52.193.1/",
    "http://192.175.48.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://240.0.0.1/",
    "http://[64:ff9b:1::1]/",
    "http://[100::1]/",
    "http://[2001::1]/",
    "http://[2001:2::1]/",
    "http://[2001:db8::1]/",
    "http://[2620:4f:8000::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[fec0::1]/",
    "http://localhost:PORT/feed",
    "http://LOCALHOST:PORT/feed",
    "http://①②⑦.0.0.1:PORT/feed",
  ];
  test.each(spellings)("is refused: %s", async (spelling) => {
    seen.length = 0;
    const url = spelling.replace("PORT", String(port));
    const document = await _fetch(url, { isPrivateAllowed: () => false });
    expect(document).toMatchObject({
      status: "refused",
      detail: expect.stringContaining("is not on the public internet"),
    });
    expect(seen).toEqual([]);
  });

  test("is refused after a redirect, before a request is sent", async () => {
    for (const to of [
      `http://127.0.0.2:${port}/feed`,
      `http://[::1]:${port}/feed`,
      `http://2130706434:${port}/feed`,
      `//0.0.0.0:${port}/feed`,
    ]) {
      seen.length = 0;
      const document = await _fetch(`${base}/go?to=${encodeURIComponent(to)}`);
      expect(document).toMatchObject({
        status: "refused",
        detail: expect.stringContaining("is not on the public internet"),
      });
      expect(seen).toEqual(["/go"]);
    }
  });

  test("is reached by name when private addresses are allowed", async () => {
    expect(_text(await _fetch(`http://localhost:${port}/feed`))).toBe("<rss/>");
  });
});

describe("a URL", () => {
  test.each([
    ["file:///etc/passwd", "The scheme file: is neither http: nor https:."],
    ["ftp://example.org/feed", "The scheme ftp: is neither http: nor https:."],
    ["javascript:alert(1)", "The scheme javascript: is neither http: nor https:."],
    ["http://me:secret@example.org/", "A URL with credentials is not fetched."],
    ["http://me@example.org/", "A URL with credentials is not fetched."],
    ["feed.xml", "feed.xml is not a URL."],
    ["http://", "http:// is not a URL."],
  ])("is refused: %s", async (url, detail) => {
    expect(await _fetch(url)).toEqual({ status: "refused", detail });
  });

  test("with another scheme or credentials is refused after a redirect", async () => {
    const refusals = await Promise.all(
      ["file:///etc/passwd", `http://me:secret@127.0.0.1:${port}/feed`, "http://"].map((to) =>
        _fetch(`${base}/go?to=${encodeURIComponent(to)}`),
      ),
    );
    expect(refusals.map(({ status }) => status)).toEqual(["refused", "refused", "refused"]);
  });
});

describe("an authorization", () => {
  const secret = "Bearer swordfish";
  const authorized: (string | undefined)[] = [];
  let other: Server;
  let elsewhere: string;

  beforeAll(async () => {
    routes["/private"] = (request, response) => {
      authorized.push(request.headers.authorization);
      response.end("private");
    };
    other = createServer((request, response) => {
      authorized.push(request.headers.authorization);
      const to = new URL(request.url ?? "/", "http://local").searchParams.get("to");
      if (to) response.writeHead(302, { location: to }).end();
      else response.end("elsewhere");
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  });
  afterAll(() => other.close());

  async function _authorizedAt(path: string) {
    authorized.length = 0;
    const document = await _fetch(`${base}${path}`, {}, undefined, secret);
    return { text: _text(document), authorized };
  }

  test("is sent to the requested origin, also after redirects within it", async () => {
    expect(await _authorizedAt("/private")).toEqual({ text: "private", authorized: [secret] });
    expect(await _authorizedAt("/x?to=/private")).toEqual({
      text: "private",
      authorized: [secret],
    });
  });

  test("is not sent to another origin, nor after a redirect back", async () => {
    expect(await _authorizedAt(`/x?to=${elsewhere}/`)).toEqual({
      text: "elsewhere",
      authorized: [undefined],
    });
    const back = encodeURIComponent(`${elsewhere}/?to=${base}/private`);
    expect(await _authorizedAt(`/x?to=${back}`)).toEqual({
      text: "private",
      authorized: [undefined, undefined],
    });
  });
});

describe("redirects", () => {
  test("are followed, also relative ones, and the final URL is returned", async () => {
    const inner = `/go?to=${encodeURIComponent("/feed")}`;
    expect(await _fetch(`${base}/go?to=${encodeURIComponent(inner)}`)).toMatchObject({
      status: "ok",
      url: `${base}/feed`,
      contentType: "application/rss+xml; charset=utf-8",
    });
  });

  test("to a path in raw UTF-8 are followed as by browsers", async () => {
    expect(_text(await _fetch(`${base}/raw-utf-8`))).toBe("moved");
  });

  test("fail after the maximum number", async () => {
    seen.length = 0;
    expect(await _fetch(`${base}/loop`)).toEqual({
      status: "refused",
      detail: "The server redirects more than 3 times.",
    });
    expect(seen).toHaveLength(4);
  });

  test("without a Location are refused", async () => {
    expect(await _fetch(`${base}/no-location`)).toEqual({
      status: "refused",
      code: 302,
      detail: "The server answered 302.",
    });
  });
});

describe("a body", () => {
  test("is decompressed", async () => {
    expect(_text(await _fetch(`${base}/gzip`))).toBe("packed");
    expect(_text(await _fetch(`${base}/brotli`))).toBe("packed");
  });

  test("may have exactly the maximum size", async () => {
    expect((await _fetch(`${base}/exactly-at-the-limit`)).status).toBe("ok");
  });

  test.each(["/large", "/endless", "/bomb"])("that is too large is refused: %s", async (path) => {
    expect(await _fetch(base + path)).toEqual({
      status: "refused",
      code: 200,
      detail: "The body is larger than 100000 bytes.",
    });
  });

  test("in an encoding that was not requested is refused", async () => {
    expect((await _fetch(`${base}/unknown-encoding`)).status).toBe("refused");
  });

  test.each(["/cut", "/half-gzip"])("that ends early can be retried: %s", async (path) => {
    expect((await _fetch(base + path)).status).toBe("failed");
  });
});

describe("an answer", () => {
  test.each([400, 401, 403, 404, 410, 451, 304])("of %d is not retried", async (code) => {
    expect(await _fetch(`${base}/answer/${code}`)).toEqual({
      status: "refused",
      code,
      detail: `The server answered ${code}.`,
    });
  });

  test.each([408, 425, 429, 500, 502, 503])("of %d can be retried", async (code) => {
    expect(await _fetch(`${base}/answer/${code}`)).toEqual({
      status: "failed",
      code,
      detail: `The server answered ${code}.`,
    });
  });

  test("that does not arrive completely in time can be retried", async () => {
    for (const path of ["/never", "/slow-body"]) {
      expect(await _fetch(base + path, { timeoutMs: 50 })).toEqual({
        status: "failed",
        detail: "No complete response arrived within 50 ms.",
      });
    }
  });

  test("of an unknown host can be retried", async () => {
    expect((await _fetch("http://name.invalid/")).status).toBe("failed");
    expect((await _fetch("http://127.0.0.1:1/")).status).toBe("failed");
    const everything = { isPrivateAllowed: () => true };
    expect(_text(await _fetch("http://localhost:1/", everything))).toContain("ECONNREFUSED");
  });
});

describe("stopping", () => {
  test("rejects with the caller's reason", async () => {
    const stop = new AbortController();
    const fetching = _fetch(`${base}/slow-body`, {}, stop.signal);
    stop.abort(new Error("enough"));
    expect(await fetching.catch(String)).toBe("Error: enough");
    expect(await _fetch(`${base}/feed`, {}, stop.signal).catch(String)).toBe("Error: enough");
  });

  test("closing aborts active fetches", async () => {
    const safeFetch = createSafeFetch({
      isPrivateAllowed: () => true,
      timeoutMs: 10_000,
      maxBytes,
      maxHeldBytes: 10 * maxBytes,
      maxRedirects: 3,
      userAgent: "Toril/test",
    });
    const fetching = safeFetch(`${base}/never`, { signal: new AbortController().signal });
    await safeFetch.close();
    await safeFetch.close();
    expect(await fetching).toEqual({ status: "failed", detail: "The fetcher was closed." });
  });
});

describe("the bytes of bodies in memory", () => {
  test("are bounded, and a further fetch waits before it connects", async () => {
    await using safeFetch = createSafeFetch({
      isPrivateAllowed: () => true,
      timeoutMs: 5000,
      maxBytes,
      maxHeldBytes: 4 * maxBytes,
      maxRedirects: 3,
      userAgent: "Toril/test",
    });
    const { signal } = new AbortController();
    let heldBytes = 0;
    let maxHeldBytes = 0;
    const connected = seen.length;
    const fetches = Array.from({ length: 30 }, async () => {
      const document = await safeFetch(`${base}/exactly-at-the-limit`, { signal });
      if (document.status !== "ok") throw new Error(document.status);
      heldBytes += document.bytes.byteLength;
      maxHeldBytes = Math.max(maxHeldBytes, heldBytes);
      // Nothing releases memory yet, so all other fetches proceed as far as the budget allows.
      for (let turns = 0; turns < 50; turns += 1) await setImmediate();
      heldBytes -= document.bytes.byteLength;
      document.held[Symbol.dispose]();
    });
    await Promise.race(fetches);
    expect(seen.length - connected).toBeLessThan(30);
    await Promise.all(fetches);
    expect(maxHeldBytes).toBeWithin(maxBytes, 4 * maxBytes + 1);
  });

  test("may be waited for longer than the timeout of a fetch", async () => {
    const options = { isPrivateAllowed: () => true, timeoutMs: 500, maxBytes, maxRedirects: 3 };
    await using safeFetch = createSafeFetch({
      ...options,
      maxHeldBytes: maxBytes,
      userAgent: "Toril/test",
    });
    const { signal } = new AbortController();
    const first = await safeFetch(`${base}/feed`, { signal });
    const second = safeFetch(`${base}/feed`, { signal });
    const late = await _fetch(`${base}/never`, options);
    expect(_text(late)).toBe("No complete response arrived within 500 ms.");
    if (first.status === "ok") first.held[Symbol.dispose]();
    expect((await second).status).toBe("ok");
  });

  test("of failed fetches are released", async () => {
    await using safeFetch = createSafeFetch({
      isPrivateAllowed: () => true,
      timeoutMs: 5000,
      maxBytes,
      maxHeldBytes: 2 * maxBytes,
      maxRedirects: 3,
      userAgent: "Toril/test",
    });
    const { signal } = new AbortController();
    const paths = ["/large", "/cut", "/half-gzip", "/answer/404", "/answer/500", "/loop"];
    for (const path of [...paths, ...paths]) {
      expect((await safeFetch(base + path, { signal })).status).not.toBe("ok");
    }
    expect((await safeFetch(`${base}/exactly-at-the-limit`, { signal })).status).toBe("ok");
  });

  const { signal } = new AbortController();
  const fill = async (holder: HeldBytes) => {
    for (let step = 0; step < 10; step += 1) await holder.grow(10, signal);
    holder[Symbol.dispose]();
  };

  test("never deadlock, although many bodies are half read", async () => {
    const budget = createByteBudget({ maxBytes: 250, maxBytesPerHolder: 100 });
    let maxHeld = 0;
    const holders = Array.from({ length: 20 }, async () => {
      const holder = budget.open();
      for (let step = 0; step < 10; step += 1) {
        await holder.grow(10, signal);
        maxHeld = Math.max(maxHeld, budget.heldBytes);
      }
      holder[Symbol.dispose]();
    });
    await Promise.all(holders);
    expect(maxHeld).toBe(250);
    expect(budget.heldBytes).toBe(0);
  });

  test("are not waited for by an aborted fetch", async () => {
    const budget = createByteBudget({ maxBytes: 100, maxBytesPerHolder: 100 });
    const first = budget.open();
    await first.grow(10, signal);
    const stop = new AbortController();
    const aborted = budget.open().grow(10, stop.signal).catch(String);
    const last = fill(budget.open());
    stop.abort(new Error("enough"));
    expect(await aborted).toBe("Error: enough");
    first[Symbol.dispose]();
    await last;
    expect(budget.heldBytes).toBe(0);
  });
});
