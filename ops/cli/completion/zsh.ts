import type { CompletedPath } from "./completed-words.ts";

/** Renders a script for zsh: `source <(toril completion zsh)`, or a file `_toril` in `$fpath`. */
export function renderZsh(paths: readonly CompletedPath[], groups: readonly string[]): string {
  const cases = paths.flatMap(({ path, words, takesFiles, values }) => {
    const entries = words.map(({ word, help }) => quote(`${word.replaceAll(":", "\\:")}:${help}`));
    return [
      ...values.map(({ options, choices }) => {
        const patterns = options.map((option) => quote(`${path} ${option}`));
        return `    ${patterns.join("|")}) entries=(${choices.map(quote).join(" ")}) ;;`;
      }),
      `    ${quote(`${path} `)}*) ${takesFiles ? '[[ "$words[CURRENT]" = -* ]] && ' : ""}entries=(${entries.join(" ")}) ;;`,
    ];
  });
  return `#compdef toril
_toril() {
  local -a entries
  local path_words=""
  if (( CURRENT > 2 )); then path_words="$words[2]"; fi
  case "$path_words" in
    ${groups.join("|")}) if (( CURRENT > 3 )); then path_words="$path_words $words[3]"; fi ;;
  esac
  case "$path_words $words[CURRENT-1]" in
${cases.join("\n")}
  esac
  _describe toril entries || _files
}
if [ "$funcstack[1]" = "_toril" ]; then _toril "$@"; else compdef _toril toril; fi`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
