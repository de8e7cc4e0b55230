/** What all streams together hold for clients that have not read it yet. */
export interface UnreadBudget {
  readonly bytes: number;
  /** Tells how much a stream holds now. When all hold too much, the stream that holds the most is cut off. */
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
