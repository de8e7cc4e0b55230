/** Bytes that all streams together hold unread. */
export interface UnreadBudget {
  readonly bytes: number;
  /** Sets the unread bytes of a stream. While the total exceeds the limit, the stream with the most is disconnected. */
  set(stream: UnreadStream, bytes: number): void;
}

export interface UnreadStream {
  disconnect(): void;
}

export function createUnreadBudget(maxBytes: number): UnreadBudget {
  const byStream = new Map<UnreadStream, number>();
  let total = 0;

  function findLargest() {
    let largest: UnreadStream | undefined;
    let largestBytes = 0;
    for (const [stream, bytes] of byStream) {
      if (bytes > largestBytes) [largest, largestBytes] = [stream, bytes];
    }
    return largest;
  }

  function set(stream: UnreadStream, bytes: number) {
    total += bytes - (byStream.get(stream) ?? 0);
    if (bytes > 0) byStream.set(stream, bytes);
    else byStream.delete(stream);
    while (total > maxBytes) {
      const slowest = findLargest();
      if (slowest === undefined) return;
      set(slowest, 0);
      slowest.disconnect();
    }
  }

  return {
    get bytes() {
      return total;
    },
    set,
  };
}
