/** The function with its latest results kept, at most `size` of them: one more forgets the one that was unused for longest. */
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
