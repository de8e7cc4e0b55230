import type { CompletedPath } from "./completed-words.ts";

/** Renders a script for bash: `eval "$(toril completion bash)"`. */
export function renderBash(paths: readonly CompletedPath[], groups: readonly string[]): string {
  const toCase = (pattern: string, words: readonly string[], condition = "") =>
    `    ${pattern}) ${condition}words="${words.join(" ")}" ;;`;
  const cases = paths.flatMap(({ path, words, takesFiles, values }) => [
    ...values.map(({ options, choices }) =>
      toCase(options.map((option) => `"${path} ${option}"`).join("|"), choices),
    ),
    toCase(
      `"${path} "*`,
      words.map(({ word }) => word),
      takesFiles ? '[ "${current#-}" = "$current" ] || ' : "",
    ),
  ]);
  return `_toril() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words=""
  if [ "$COMP_CWORD" -gt 1 ]; then path="\${COMP_WORDS[1]}"; fi
  case "$path" in
    ${groups.join("|")}) if [ "$COMP_CWORD" -gt 2 ]; then path="$path \${COMP_WORDS[2]}"; fi ;;
  esac
  case "$path \${COMP_WORDS[COMP_CWORD-1]}" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _toril toril`;
}
