/** Length of the HTTP/1.1 response that starts with `received`; infinite until the head has arrived. */
export function responseLength(received: string): number {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd === -1) return Number.POSITIVE_INFINITY;
  const head = received.slice(0, headEnd + 2);
  const [, bodyLength] = /\r\ncontent-length: *(\d+)\r\n/i.exec(head) ?? [];
  if (bodyLength !== undefined) return headEnd + 4 + Number(bodyLength);
  if (!/\r\ntransfer-encoding: *chunked\r\n/i.test(head)) return headEnd + 4;
  const end = "\r\n0\r\n\r\n";
  return received.endsWith(end) ? received.length : Number.POSITIVE_INFINITY;
}

/** Whether the response has a 2xx status and contains the expected text. */
export function isAccepted(answer: string, expected: string): boolean {
  return answer.startsWith("HTTP/1.1 20") && answer.includes(expected);
}
