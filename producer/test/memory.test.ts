import { expect, test } from "bun:test";
import { _echo, _expectProblem, _json, _openProducer, _until } from "./_producer.ts";
import { _chunk, _connect, _head } from "./_raw.ts";

const { producer } = await _openProducer({ MAX_BODY_BYTES: "32000000" });

const megabyte = " ".repeat(1_000_000);
const large = [0, 1, 2].map(() => _echo("x".repeat(700_000)));

test("unfinished bodies are bounded in memory: further large bodies are refused", async () => {
  const holders = await Promise.all(Array.from({ length: 40 }, () => _connect(producer.url)));
  for (const holder of holders) {
    await holder.write(
      _head("POST /v1/jobs", "Content-Type: application/json", "Transfer-Encoding: chunked"),
    );
    await holder.write(_chunk(megabyte));
  }
  const isFull = async () => (await producer.bulk(large)).status === 503;
  await _until(isFull);
  _expectProblem(await producer.bulk(large), "at-capacity");
  expect((await producer.post(_echo("small"))).status).toBe(201);
  for (const holder of holders) holder.destroy();
  await _until(async () => !(await isFull()));
});

test("a compressed request is refused, and a part of an import with an unknown Content-Encoding", async () => {
  const headers = { "Content-Encoding": "gzip" };
  const body = Bun.gzipSync(JSON.stringify(_echo()));
  _expectProblem(await producer.post(body, headers), "unsupported-media-type");
  const definition = { type: "row.import", columns: ["a"] };
  const { id } = (await producer.request("/v1/imports", _json(definition))).body;
  const part = await producer.request(`/v1/imports/${id}/parts/1`, {
    method: "PUT",
    headers: { "Content-Encoding": "br", "Content-Type": "text/csv" },
    body: "a\n1\n",
  });
  _expectProblem(part, "unsupported-media-type");
});

test("the Content-Encoding identity is accepted in any case", async () => {
  for (const encoding of ["identity", "Identity", "IDENTITY"]) {
    const headers = { "Content-Encoding": encoding };
    expect((await producer.post(_echo(), headers)).status).toBe(201);
    const csv = await producer.request("/v1/imports?type=row.import", {
      method: "POST",
      headers: { ...headers, "Content-Type": "text/csv" },
      body: "a,b\n1,2\n",
    });
    expect(csv.status).toBe(201);
  }
});
