export const feedLimits = {
  /** Of a feed, unpacked. */
  bytes: 8_000_000,
  items: 10_000,
  /** Tags, attributes and the like of XML, or values of JSON: parsed, each takes some hundred bytes. */
  values: 200_000,
  /** Characters of all items: more than a feed of this size has, unless each item repeats something long. */
  itemsLength: 16_000_000,
  /** Of the guid of an item; a hash takes the place of a longer one. */
  guidBytes: 500,
  /** What parsing may take before the thread is ended. */
  parseMs: 20_000,
} as const;
