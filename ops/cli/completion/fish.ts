import type { CompletedPath } from "./completed-words.ts";

/** Renders a script for fish: `toril completion fish | source`. */
export function renderFish(paths: readonly CompletedPath[], groups: readonly string[]): string {
  const cases = paths.map(({ path, words }) => {
    const lines = words.map(({ word, help }) => quote(`${word}\t${help}`));
    return `    case ${quote(path)}\n      printf '%s\\n' ${lines.join(" ")}`;
  });
  return `function __toril_words
  set -l words (commandline -opc)
  set -l path "$words[2]"
  if contains -- "$path" ${groups.join(" ")}; and test (count $words) -gt 2
    set path "$path $words[3]"
  end
  switch "$path"
${cases.join("\n")}
  end
end
complete -c toril -f -a '(__toril_words)'
complete -c toril -n '__fish_seen_subcommand_from import' -F`;
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
