/** Length of the HTTP/1.1 response that starts with `received`; infinite until the head has arrived. */
export function responseLength(received: string): number {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd === -1) return Number.POSITIVE_INFINITY;
  const [, bodyLength] = /\r\ncontent-length: *(\d+)\r\n/i.exec(received) ?? [];
  return headEnd + 4 + Number(bodyLength ?? 0);
}

/** Whether the response has status 201 and an id. */
export function isCreated(answer: string): boolean {
  return answer.startsWith("HTTP/1.1 201 ") && /"id":"[^"]+"/.test(answer);
}
