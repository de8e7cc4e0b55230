/** Memoizes a function with an LRU cache of `size` results. */
export function memo<Result>(make: (key: string) => Result, size: number): (key: string) => Result {
  const kept = new Map<string, Result>();
  return (key) => {
    const result = kept.get(key) ?? make(key);
    kept.delete(key);
    kept.set(key, result);
    const [oldest] = kept.keys();
    if (kept.size > size && oldest !== undefined) kept.delete(oldest);
    return result;
  };
}
