/** How long an HTTP/1.1 answer will be of which this has arrived; unknown yet: infinite. */
export function responseLength(received: string): number {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd === -1) return Number.POSITIVE_INFINITY;
  const [, bodyLength] = /\r\ncontent-length: *(\d+)\r\n/i.exec(received) ?? [];
  return headEnd + 4 + Number(bodyLength ?? 0);
}

/** Status 201, and an id in the body. */
export function isCreated(answer: string): boolean {
  return answer.startsWith("HTTP/1.1 201 ") && /"id":"[^"]+"/.test(answer);
}
