const encoder = new TextEncoder();

/** Encodes one server-sent event. JSON escapes line breaks, so `data` always fits one line. */
export function toFrame(event: string, data: unknown, id: string | undefined): Uint8Array {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  return encoder.encode(`${idLine}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** Encodes a comment, which is no event, with the client's new cursor. */
export function toHeartbeat(id: string | undefined): Uint8Array {
  return encoder.encode(id === undefined ? ":\n\n" : `:\nid: ${id}\n\n`);
}
