import { expect, spyOn, test } from "bun:test";
import { shippedRegistry } from "../../../contract/test/_job-types.ts";
import { ProblemError } from "../http/problem.ts";
import { parseGraph } from "./parse-graph.ts";

const context = {
  jobTypes: shippedRegistry,
  origin: { tenant: "default" },
  secretKeys: undefined,
};
const echo = `{"type":"echo","data":{"message":"hello"}}`;
const leaf = `{"job":${echo}}`;

/** Returns the pointers of the jobs, or the problem with the pointers of its errors. */
async function outcomes(text: string): Promise<string | unknown[]> {
  try {
    return [...(await parseGraph(new TextEncoder().encode(text), context)).values()];
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return [error.kind, ...(error.errors ?? []).map(({ pointer }) => pointer)].join(" ");
  }
}

const graph = (job: string, ...children: string[]) =>
  `{"job":${job},"children":[${children.join()}]}`;
const members = (count: number, name = "k", value = "0") =>
  `{${Array.from({ length: count }, (_, n) => `"${name}${n}":${value}`).join()}}`;
const job = (data: string) => `{"type":"echo","data":${data}}`;

test.each([
  [graph(echo, leaf, leaf), ["", "/children/0", "/children/1"]],
  [` \uFEFF${graph(echo, leaf)}`, "invalid-json"],
  [`\uFEFF ${graph(echo, leaf)} \n`, ["", "/children/0"]],
  [` { "children" : [ ${leaf} ] , "j\\u006fb" : ${echo} } `, ["", "/children/0"]],
  ["[]", "invalid-job "],
  ["1", "invalid-job "],
  ["{", "invalid-json"],
  ["", "invalid-json"],
  [`${graph(echo, leaf)} 1`, "invalid-json"],
  [`${graph(echo, leaf)}}`, "invalid-json"],
  [`{"job":${echo},"children":[${leaf}}`, "invalid-json"],
  [`{"job":${echo},"children":[${leaf},]}`, "invalid-json"],
  [`{"job":${echo},"children":[${leaf}],}`, "invalid-json"],
  [`{"job":${echo},job:1}`, "invalid-json"],
  [`{"job":\uFEFF${echo},"children":[${leaf}]}`, "invalid-json"],
  [`{"job" ${echo},"children":[${leaf}]}`, "invalid-json"],
  [`{"job":${echo} 1,"children":[${leaf}]}`, "invalid-json"],
  [`{"job":${echo},"job"`, "invalid-json"],
  [`{"job":${echo},"job}`, "invalid-json"],
  [`{"children":[${leaf}]}`, "invalid-job /job"],
  [`{"job":${echo},"children":{}}`, "invalid-job /children"],
  [graph(echo, "1"), "invalid-job /children/0"],
  [`{"__proto__":1,"job":${echo},"children":[${leaf}]}`, "invalid-job /__proto__"],
  [`{"job":${echo},"job":${echo},"children":[${leaf}]}`, "unstorable-json /job"],
  [graph(echo, `{"job":${job('{"a":1,"a":1}')}}`), "unstorable-json /children/0/job/data/a"],
  [graph(echo, leaf, `{"job":${job(members(10_000))}}`), "unstorable-json /children/1/job"],
  [graph(echo, leaf, `{"a/b":${members(10_001)}}`), "unstorable-json /children/1/a~1b"],
  [members(33), "too-many-entries"],
])("the graph %#", async (text, expected) => {
  expect(await outcomes(text)).toEqual(expected);
});

test("each turn of the event loop parses a small part of a graph", async () => {
  const row = (n: number) =>
    `{"type":"row.import","data":{"importId":"${crypto.randomUUID()}","row":1,"values":${members(200, `${n}${"-".repeat(60)}`, '""')}}}`;
  const children = Array.from({ length: 200 }, (_, n) => `{"job":${row(n)}}`);
  const text = graph(echo, ...children);
  let [inTurn, mostInTurn, total] = [0, 0, 0];
  const { parse } = JSON;
  using _ = spyOn(JSON, "parse").mockImplementation((part: string) => {
    inTurn += part.length;
    total += part.length;
    mostInTurn = Math.max(mostInTurn, inTurn);
    return parse(part);
  });
  let isDone = false;
  const endTurn = () => {
    inTurn = 0;
    if (!isDone) setImmediate(endTurn);
  };
  setImmediate(endTurn);
  expect(await outcomes(text)).toHaveLength(201);
  isDone = true;
  expect(total).toBeGreaterThan(text.length * 0.9);
  expect(mostInTurn).toBeLessThan(200_000);
});
