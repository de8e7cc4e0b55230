import type { CompletedPath } from "./completed-words.ts";

/** Renders a script for fish: `toril completion fish | source`. */
export function renderFish(paths: readonly CompletedPath[], groups: readonly string[]): string {
  const toCase = (patterns: readonly string[], lines: readonly string[]) =>
    [
      `    case ${patterns.map(quote).join(" ")}`,
      ...(lines.length > 0 ? [`      printf '%s\\n' ${lines.map(quote).join(" ")}`] : []),
    ].join("\n");
  const cases = paths.flatMap(({ path, words, values }) => [
    ...values.map(({ options, choices }) =>
      toCase(
        options.map((option) => `${path} ${option}`),
        choices,
      ),
    ),
    toCase(
      [`${path} *`],
      words.map(({ word, help }) => `${word}\t${help}`),
    ),
  ]);
  return `function __toril_words
  set -l words (commandline -opc)
  set -l path "$words[2]"
  if contains -- "$path" ${groups.join(" ")}; and test (count $words) -gt 2
    set path "$path $words[3]"
  end
  switch "$path $words[-1]"
${cases.join("\n")}
  end
end
function __toril_takes_files
  not __toril_words | string match -qr '^[^-]'
end
complete -c toril -f -a '(__toril_words)'
complete -c toril -n __toril_takes_files -F`;
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
