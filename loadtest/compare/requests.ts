/** Replaced by a different text of the same length in every request. */
export const uniquePlaceholder = "unique-000000000";

export interface HttpRequest {
  path: string;
  headers?: Readonly<Record<string, string>>;
  body: string;
  /** Jobs that one request creates. */
  jobs: number;
  /** Every good response contains this text. */
  expected: string;
}

export type RequestKind = "post" | "keyed" | "wait" | "bulk" | "csv";

/** Builds the request of each kind that a target supports. */
export type Requests = Partial<Record<RequestKind, (size: RequestSize) => HttpRequest>>;

export interface RequestSize {
  /** Bytes of the body of a single job. */
  bodyBytes: number;
  /** Jobs of a bulk request. */
  bulkJobs: number;
  /** Rows of a CSV file. */
  csvRows: number;
}

/** The body of a job with this number of bytes. */
export function createBody(bodyBytes: number): string {
  const empty = JSON.stringify({ type: "echo", data: { message: "" } });
  const message = "x".repeat(Math.max(0, bodyBytes - empty.length));
  return JSON.stringify({ type: "echo", data: { message } });
}

const id = '"id":"';

/** Requests of Toril's API, which the endpoints written for the benchmark serve too. */
export const torilRequests = {
  post: ({ bodyBytes }) => ({
    path: "/v1/jobs",
    body: createBody(bodyBytes),
    jobs: 1,
    expected: id,
  }),
  keyed: ({ bodyBytes }) => ({
    path: "/v1/jobs",
    headers: { "Idempotency-Key": uniquePlaceholder },
    body: createBody(bodyBytes),
    jobs: 1,
    expected: id,
  }),
  wait: ({ bodyBytes }) => ({
    path: "/v1/jobs",
    headers: { Prefer: "wait=20" },
    body: createBody(bodyBytes),
    jobs: 1,
    expected: '"completed"',
  }),
  bulk: ({ bodyBytes, bulkJobs }) => ({
    path: "/v1/jobs/bulk",
    body: `[${Array.from({ length: bulkJobs }, () => createBody(bodyBytes)).join(",")}]`,
    jobs: bulkJobs,
    expected: id,
  }),
  csv: ({ bodyBytes, csvRows }) => ({
    path: "/v1/imports?type=row.import",
    headers: { "Content-Type": "text/csv" },
    body: createCsv(bodyBytes, csvRows),
    jobs: csvRows,
    expected: id,
  }),
} satisfies Requests;

/** Each row makes about as many bytes of job data as a single job. */
function createCsv(bodyBytes: number, rows: number): string {
  const filler = "x".repeat(Math.max(1, bodyBytes - 100));
  const lines = ["zip_code,city,county,note"];
  for (let row = 1; row <= rows; row += 1) {
    lines.push(`${String(row).padStart(6, "0")},Holtsville,Suffolk,${filler}`);
  }
  return `${lines.join("\n")}\n`;
}

/** The bytes of an HTTP/1.1 request. */
export function toRequestText({ path, headers = {}, body }: HttpRequest): string {
  const all = { Host: "127.0.0.1", "Content-Type": "application/json", ...headers };
  return [
    `POST ${path} HTTP/1.1`,
    ...Object.entries(all).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${body.length}`,
    "",
    body,
  ].join("\r\n");
}
