/** Bytes that all streams together hold unread. */
export interface UnreadBudget {
  readonly bytes: number;
  /** Sets the unread bytes of a stream. While the total exceeds the limit, the stream with the most is disconnected. */
  set(stream: UnreadStream, bytes: number): void;
}

export interface UnreadStream {
  cutOff(): void;
}

export function createUnreadBudget(maxBytes: number): UnreadBudget {
  const held = new Map<UnreadStream, number>();
  let total = 0;

  function largest() {
    let found: UnreadStream | undefined;
    let most = 0;
    for (const [stream, bytes] of held) {
      if (bytes > most) [found, most] = [stream, bytes];
    }
    return found;
  }

  function set(stream: UnreadStream, bytes: number) {
    total += bytes - (held.get(stream) ?? 0);
    if (bytes > 0) held.set(stream, bytes);
    else held.delete(stream);
    while (total > maxBytes) {
      const slowest = largest();
      if (slowest === undefined) return;
      set(slowest, 0);
      slowest.cutOff();
    }
  }

  return {
    get bytes() {
      return total;
    },
    set,
  };
}
