import { afterAll, expect, test } from "bun:test";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createSafePost, type PostRequest } from "./safe-post.ts";

const seen: string[] = [];
const server = createServer((request, response) => {
  seen.push(request.url ?? "");
  if (request.url === "/moved") response.writeHead(302, { location: "/target" }).end();
  else if (request.url === "/long") response.end("x".repeat(100_000));
  else request.pipe(response);
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function _post(
  url: string,
  { isAllowed = true, ...changes }: Partial<PostRequest> & { isAllowed?: boolean } = {},
) {
  await using post = createSafePost({ isPrivateAllowed: () => isAllowed, userAgent: "toril" });
  const request = {
    headers: {},
    body: '{"a":"é"}',
    timeoutMs: 5000,
    maxResponseBytes: 20,
    ...changes,
  };
  const outcome = await post(url, request);
  return outcome.status === "failed"
    ? outcome
    : { code: outcome.code, body: new TextDecoder().decode(outcome.body), isCut: outcome.isCut };
}

test("sends the body and returns the response", async () => {
  expect(await _post(`http://127.0.0.1:${port}/echo`)).toEqual({
    code: 200,
    body: '{"a":"é"}',
    isCut: false,
  });
});

test("reads only the beginning of a long response", async () => {
  expect(await _post(`http://127.0.0.1:${port}/long`)).toEqual({
    code: 200,
    body: "x".repeat(20),
    isCut: true,
  });
});

test("does not follow a redirect", async () => {
  expect(await _post(`http://127.0.0.1:${port}/moved`)).toMatchObject({ code: 302 });
  expect(seen).not.toContain("/target");
});

test.each([
  "http://127.0.0.1:PORT/private",
  "http://localhost:PORT/private",
  "http://[::ffff:127.0.0.1]:PORT/private",
])("does not connect to %s unless private addresses are allowed", async (url) => {
  const outcome = await _post(url.replace("PORT", String(port)), { isAllowed: false });
  expect(outcome).toMatchObject({
    status: "failed",
    detail: expect.stringContaining("not on the public internet"),
  });
  expect(seen).not.toContain("/private");
});

test("fails when the connection is refused or the request is aborted", async () => {
  expect(await _post("http://127.0.0.1:1/")).toMatchObject({ status: "failed" });
  expect(
    await _post(`http://127.0.0.1:${port}/echo`, { signal: AbortSignal.abort() }),
  ).toMatchObject({ status: "failed" });
});
