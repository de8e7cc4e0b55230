export const feedLimits = {
  /** Size of a feed after decompression. */
  bytes: 8_000_000,
  items: 10_000,
  /** XML tags and attributes, or JSON values: each takes some hundred bytes once parsed. */
  values: 200_000,
  /** Characters of all items together. Only a feed that repeats long text in each item exceeds it. */
  itemsLength: 16_000_000,
  /** Maximum length of a guid; a longer guid is replaced by its hash. */
  guidBytes: 500,
  /** Parsing timeout, after which the thread is terminated. */
  parseMs: 20_000,
} as const;
