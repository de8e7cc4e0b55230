import { z } from "zod";

export interface PrometheusSettings {
  /** Without a trailing slash. */
  url: string;
  authorization: string | undefined;
  /** Label matchers that every selector contains; may be empty. */
  matchers: string;
}

export interface Range {
  /** First and last moment, in milliseconds since 1970. */
  start: number;
  end: number;
  stepMs: number;
}

/** Values by time, in milliseconds since 1970. */
export type Samples = ReadonlyMap<number, number>;

const timeoutMs = 4000;
/** An answer has at most a few hundred kilobytes. */
const maxBytes = 4_000_000;

const Answer = z.object({
  data: z.object({
    resultType: z.literal("matrix"),
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        values: z.array(z.tuple([z.number(), z.string()])),
      }),
    ),
  }),
});

/**
 * Evaluates named expressions over a range, with one request.
 * @returns the samples of each expression that has any; values that are not finite are left out
 * @throws if the response is late, too large or invalid
 */
export async function queryPrometheus(
  { url, authorization }: PrometheusSettings,
  expressions: Readonly<Record<string, string>>,
  { start, end, stepMs }: Range,
): Promise<Map<string, Samples>> {
  const query = Object.entries(expressions)
    .map(([name, expression]) => `label_replace(${expression}, "series", "${name}", "", "")`)
    .join(" or ");
  const response = await fetch(`${url}/api/v1/query_range`, {
    method: "POST",
    body: new URLSearchParams({
      query,
      start: String(start / 1000),
      end: String(end / 1000),
      step: String(stepMs / 1000),
      timeout: `${timeoutMs}ms`,
    }),
    headers: authorization === undefined ? {} : { Authorization: authorization },
    signal: AbortSignal.timeout(timeoutMs),
    // A redirect would lead to a host that is not configured, with the credentials.
    redirect: "error",
  });
  if (!response.ok) {
    throw new Error(
      `status ${response.status}: ${(await readText(response, maxBytes)).slice(0, 500)}`,
    );
  }
  const { data } = Answer.parse(JSON.parse(await readText(response, maxBytes)));
  return new Map(
    data.result.map(({ metric, values }) => [
      metric["series"] ?? "",
      new Map(
        values
          .map(([seconds, value]) => [Math.round(seconds * 1000), Number(value)] as const)
          .filter(([, value]) => Number.isFinite(value)),
      ),
    ]),
  );
}

async function readText({ body }: Response, limit: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > limit) throw new Error(`more than ${limit} bytes`);
  }
  return text;
}
