const encoder = new TextEncoder();

/** One server-sent event. `data` becomes one line, for JSON has no other line breaks than those that it escapes. */
export function toFrame(event: string, data: unknown, id: string | undefined): Uint8Array {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  return encoder.encode(`${idLine}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** No event: says how far the client has got. */
export function toMark(id: string | undefined): Uint8Array {
  return encoder.encode(id === undefined ? ":\n\n" : `:\nid: ${id}\n\n`);
}
