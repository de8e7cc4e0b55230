const names = String.raw`[\w.-]*(?:authorization|cookie|passw(?:or)?d|secret|token|api[-_]?key|credential)[\w.-]*`;

const patterns: readonly (readonly [RegExp, string])[] = [
  // Of a URL, who somebody is and how they prove it.
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s"'\\/<>]+@/gi, "$1***@"],
  // URL parsers take any number of slashes in these schemes, and backslashes.
  [/\b((?:https?|wss?|ftp):[\\/]*)[^\s"'\\/<>]+@/gi, "$1***@"],
  [/\b(bearer|basic) +[\w.~+/-]{8,}=*/gi, "$1 ***"],
  // Toril's own keys.
  [/\btoril_[\w-]{24,}/g, "***"],
  // Fields by their names: of the line itself, and of JSON in one of its texts.
  [
    new RegExp(String.raw`("${names}" *: *)(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\})`, "gi"),
    '$1"***"',
  ],
  [new RegExp(String.raw`(\\"${names}\\" *: *\\")(?:[^"\\]|\\[^"])*`, "gi"), "$1***"],
];

/**
 * A log line without what would let its reader in somewhere: credentials in URLs and Authorization headers, and the
 * values of fields whose names speak of a secret. Whatever put them there, JSON stays JSON.
 */
export function redact(line: string): string {
  return patterns.reduce((text, [pattern, rest]) => text.replace(pattern, rest), line);
}
