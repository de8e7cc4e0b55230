import { expect, test } from "bun:test";
import { parseFeedJson } from "./feed-json.ts";
import { parseFeed } from "./parse-feed.ts";

const json = (items: string) =>
  `{"version":"https://jsonfeed.org/version/1.1","title":"ids","items":[${items}]}`;

test("ids that are numbers keep their digits, and are ids of different items", async () => {
  const ids = ["9007199254740992", "9007199254740993", '"9007199254740993x"', "7", "1e400", "0.10"];
  const text = json(ids.map((id) => `{"id":${id},"content_text":"A"}`).join());
  const feed = await parseFeed(new TextEncoder().encode(text), { source: "s" });
  expect(feed.status === "ok" && feed.items.map(({ guid }) => guid)).toEqual(
    ids.map((id) => id.replaceAll('"', "")),
  );
});

test("the last of two members with the same name in a feed is used", () => {
  expect(parseFeedJson('{"a":1,"a":2}')).toEqual({ status: "ok", value: { a: 2 } });
});

test.each([
  ["levels", "[".repeat(4_000_000) + "]".repeat(4_000_000), "Nested deeper than 100 levels."],
  ["values", json("0,".repeat(200_000) + "0"), "More than 200000 values."],
  [
    "members",
    json('{"id":0,"x":1,"y":1,"z":1},'.repeat(50_000) + "0"),
    "More than 200000 members of objects.",
  ],
  ["open brackets", "[".repeat(8_000_000), "The document is neither XML nor valid JSON."],
  [
    "values behind its value",
    "{},".repeat(2_000_000),
    "The document is neither XML nor valid JSON.",
  ],
])("a feed with too many %s is refused before it is parsed", (_, text, detail) => {
  const parse = JSON.parse;
  JSON.parse = () => {
    throw new Error("it was parsed");
  };
  try {
    expect(parseFeedJson(text)).toEqual({ status: "invalid", detail });
  } finally {
    JSON.parse = parse;
  }
});
