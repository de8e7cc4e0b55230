/** A parsed server-sent event. */
export interface SentEvent {
  event: string;
  data: string;
  /** The last received `id`. */
  id: string | undefined;
}

/** Parses `text/event-stream`. An incomplete event at the end of an interrupted stream is discarded. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  onId: (id: string) => void = () => {},
): AsyncGenerator<SentEvent, void, undefined> {
  let event = "message";
  let data: string[] = [];
  let id: string | undefined;
  for await (const line of readLines(body)) {
    if (line === "") {
      if (id !== undefined) onId(id);
      if (data.length > 0) yield { event, data: data.join("\n"), id };
      event = "message";
      data = [];
      continue;
    }
    const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "event") event = value;
    if (field === "data") data.push(value);
    if (field === "id") id = value;
  }
}

async function* readLines(body: ReadableStream<Uint8Array>) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield line.replace(/\r$/, "");
    }
  } finally {
    // Rejects if the stream has failed, which the reader has reported.
    await reader.cancel().catch(() => {});
  }
}
