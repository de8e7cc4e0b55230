/** Time of the last use, in milliseconds since 1970. */
export interface KeyUse {
  usedAt: number;
}

type PendingUse = KeyUse & { writtenAt: number };

/** Collects the last use of keys in memory and writes it in batches: minutes are precise enough to find unused keys. */
export function createKeyUses(
  write: (uses: readonly { id: string; usedAt: number }[]) => Promise<void>,
) {
  const uses = new Map<string, PendingUse>();
  return {
    of(id: string): KeyUse {
      const known = uses.get(id);
      if (known !== undefined) return known;
      const use: PendingUse = { usedAt: 0, writtenAt: 0 };
      uses.set(id, use);
      return use;
    },
    /** Uses that fail to be written are retried at the next flush. */
    async flush(): Promise<void> {
      const fresh = [...uses].filter(([, use]) => use.usedAt > use.writtenAt);
      if (fresh.length === 0) return;
      const written = fresh.map(([id, { usedAt }]) => ({ id, usedAt }));
      await write(written);
      for (const [index, [, use]] of fresh.entries()) use.writtenAt = written[index]?.usedAt ?? 0;
    },
  };
}

export type KeyUses = ReturnType<typeof createKeyUses>;
