import { expect, test } from "bun:test";

import { _runCommand } from "../_run-command.ts";

const separator = "--next--";

/** Lets a shell complete the last word of each command line. */
async function complete(shell: string, lines: readonly (readonly string[])[]): Promise<string[][]> {
  const { output } = await _runCommand(`completion ${shell}`);
  const asked = lines.map((words) => renderQuestion(shell, words));
  // The stubs are for a shell that is not interactive.
  const stubs = "compdef() { :; }; _describe() { print -l -- ${entries%%:*}; }";
  const program = [...(shell === "zsh" ? [stubs] : []), output, ...asked].join("\n");
  const child = Bun.spawn([shell, "-c", program], { stdio: ["ignore", "pipe", "pipe"] });
  const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(errors).toBe("");
  const answers = text.split(`${separator}\n`).slice(0, lines.length);
  return answers.map((answer, index) =>
    answer
      .split("\n")
      .filter((word) => word !== "" && word.startsWith(lines[index]?.at(-1) ?? ""))
      .toSorted(),
  );
}

function renderQuestion(shell: string, words: readonly string[]): string {
  const quoted = words.map((word) => `"${word}"`).join(" ");
  const question: Record<string, string> = {
    bash: `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _toril; printf '%s\\n' "\${COMPREPLY[@]}"`,
    zsh: `words=(${quoted}); CURRENT=${words.length}; _toril`,
    fish: `complete -C '${words.join(" ")}' | string split -f 1 \\t`,
  };
  return `${question[shell]}; echo ${separator}`;
}

const shells = ["bash", "zsh", "fish"].filter((shell) => Bun.which(shell) !== null);

test.each(shells)(
  "%s completes commands, commands of groups, and options",
  async (shell) => {
    const lines = [
      "en",
      "keys r",
      "keys create --sc",
      "jobs --stat",
      "completion f",
      "jobs --none",
      "jobs --status d",
      "jobs --limit --s",
      "keys create --name zz",
      "import zz",
      "import --dr",
    ];
    const words = lines.map((line) => `toril ${line}`.split(" "));
    expect(await complete(shell, words)).toEqual([
      ["enqueue"],
      ["revoke", "rotate"],
      ["--scopes"],
      ["--state", "--status"],
      ["fish"],
      [],
      ["dead"],
      [],
      [],
      [],
      ["--dry-run"],
    ]);
  },
  60_000,
);
