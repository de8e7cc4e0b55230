/** What a request asked for, as it was sent: path and query. Without a valid Host, Bun knows no more than that of an address. */
export function targetOf(url: string): string {
  return url.startsWith("/") ? url : url.slice(url.indexOf("/", url.indexOf("://") + 3));
}

export function pathOf(url: string): string {
  const target = targetOf(url);
  const end = target.indexOf("?");
  return end === -1 ? target : target.slice(0, end);
}
