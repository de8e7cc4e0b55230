/** Limits of requests and of the stored values of a job. */
export const limits = {
  keyLength: 255,
  attempts: 100,
  delayMs: 365 * 24 * 60 * 60 * 1000,
  /** The maximum of BullMQ. */
  priority: 2_097_151,
  timeoutMs: 24 * 60 * 60 * 1000,
  backoffMs: 7 * 24 * 60 * 60 * 1000,
  /** Maximum `windowMs` of the key policy `once`. */
  dedupWindowMs: 30 * 24 * 60 * 60 * 1000,
  labels: 10,
  labelLength: 100,
  /** Failed attempts and log lines that are kept per job. */
  failures: 10,
  logLines: 20,
  scheduleNameLength: 100,
  descriptionLength: 1000,
  webhookNameLength: 100,
  urlLength: 2000,
  /** Deliveries that one request may replay. */
  replayedDeliveries: 10_000,
  /** First bytes of a webhook's response that are kept. */
  webhookResponseBytes: 500,
  /** Bounds of the interval of a schedule. */
  everyMs: { min: 1000, max: 365 * 24 * 60 * 60 * 1000 },
  previewedTimes: 100,
  pageSize: 500,
  /** JSON bytes of a page, not counting its last item: larger pages delay the other requests of a producer. */
  pageBytes: 2_000_000,
  dataBytes: 1_000_000,
  bodyBytes: 2_000_000,
  bulkBodyBytes: 32_000_000,
  bulkEntries: 10_000,
  graphBodyBytes: 4_000_000,
  /** Each row of a file becomes an object with this many fields. */
  csvColumns: 2000,
  /** Maximum `maxErrors` of an import. */
  importMaxErrors: 1_000_000_000,
  importErrors: 100,
  /** Rejected rows in the error report: of a file in one request, and of each part. */
  importErrorRows: 10_000,
  importPartErrorRows: 1000,
  /** Characters of a rejected row. */
  importErrorText: 2000,
  /** Parts of an import. A part is held in memory until its digest is verified. */
  importParts: 2000,
  importPartBytes: 8_000_000,
  /** Rows of part `n` are numbered from `(n - 1) * importPartRows + 1`, so that rows of all parts have distinct numbers. */
  importPartRows: 1_000_000,
  waitSeconds: 60,
} as const;

/** Limits of feeds. */
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

/** Limits of the operations of workers. */
export const workerLimits = {
  /** Jobs of one request. */
  jobs: 1000,
  nameLength: 100,
  leaseMs: { min: 1000, max: 60 * 60 * 1000, default: 30_000 },
  waitMs: limits.waitSeconds * 1000,
  /** Size of a request that finishes or extends jobs. */
  bodyBytes: 8_000_000,
  /** Data of the jobs of one response; the last jobs may exceed it. */
  takenBytes: 8_000_000,
  leaseLength: 400,
  errorLength: 10_000,
  logLineLength: 1000,
} as const;
