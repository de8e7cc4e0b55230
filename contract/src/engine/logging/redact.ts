const names = String.raw`[\w.-]*(?:authorization|cookie|passw(?:or)?d|secret|token|api[-_]?key|credential)[\w.-]*`;

const patterns: readonly (readonly [RegExp, string])[] = [
  // User and password of a URL.
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s"'\\/<>]+@/gi, "$1***@"],
  // URL parsers accept any number of slashes and backslashes after these schemes.
  [/\b((?:https?|wss?|ftp):[\\/]*)[^\s"'\\/<>]+@/gi, "$1***@"],
  [/\b(bearer|basic) +[\w.~+/-]{8,}=*/gi, "$1 ***"],
  // Toril's API keys.
  [/\btoril_[\w-]{24,}/g, "***"],
  // Sensitive fields by name, of the line itself and of JSON inside its strings.
  [
    new RegExp(String.raw`("${names}" *: *)(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\})`, "gi"),
    '$1"***"',
  ],
  [new RegExp(String.raw`(\\"${names}\\" *: *\\")(?:[^"\\]|\\[^"])*`, "gi"), "$1***"],
];

/**
 * Removes credentials from a log line: those in URLs and Authorization headers, and the values of fields with sensitive
 * names. JSON stays valid.
 */
export function redact(line: string): string {
  return patterns.reduce((text, [pattern, rest]) => text.replace(pattern, rest), line);
}
