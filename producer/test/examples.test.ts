import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { buildOpenApi } from "@toril/contract/api/openapi/openapi";
import { shippedApi } from "../../contract/test/_job-types.ts";
import { Scope } from "@toril/contract/api/access/scope";
import { _getExamples } from "./_examples.ts";
import { _bearer, _issue } from "./_keys.ts";
import { _openStores, type _Producer, _startProducer, type _Stores } from "./_producer.ts";

let stores: _Stores;
let producer: _Producer;
let authorization: { Authorization: string };

beforeAll(async () => {
  stores = await _openStores();
  authorization = _bearer((await _issue(stores, Scope.options)).key);
  producer = await _startProducer(stores);
});
afterEach(() => stores.clear());
afterAll(async () => {
  await producer.close();
  await stores.close();
});

const examples = _getExamples(buildOpenApi(shippedApi, "test"));

test("openapi.yaml contains request examples", () => {
  expect(examples.length).toBeGreaterThan(40);
});

test.each(examples)(
  "the example of openapi.yaml is accepted: $name",
  async ({ path, init, isOfAnother }) => {
    const headers = { ...init.headers, ...authorization };
    const answer = await producer.request(path, { ...init, headers });
    const isAccepted = answer.status < 300 || (isOfAnother && [404, 412].includes(answer.status));
    expect(isAccepted, `${path} ${init.body}\n${answer.status} ${answer.text}`).toBe(true);
  },
);
