import type { Command, CommandTable } from "../command.ts";

export interface Word {
  word: string;
  help: string;
}

/** The words that may follow a command, for its completion. */
export interface CompletedPath {
  /** Words before the completed one: `""`, `keys`, `keys create`. */
  path: string;
  words: Word[];
}

/** Lists the words that may follow each command and group. */
export function listCompletions({ commands, groups }: CommandTable): CompletedPath[] {
  const first = [
    ...Object.entries(commands).map(([word, { summary }]) => ({ word, help: summary })),
    ...Object.entries(groups).map(([word, { summary }]) => ({ word, help: summary })),
    { word: "help", help: "print the commands" },
  ];
  return [
    { path: "", words: first },
    ...Object.entries(commands).map(([name, command]) => toPath(name, command)),
    ...Object.entries(groups).flatMap(([group, { commands: own }]) => [
      {
        path: group,
        words: Object.entries(own).map(([word, { summary }]) => ({ word, help: summary })),
      },
      ...Object.entries(own).map(([name, command]) => toPath(`${group} ${name}`, command)),
    ]),
  ];
}

function toPath(path: string, { options }: Command): CompletedPath {
  const words = Object.entries(options).map(([name, { help }]) => ({ word: `--${name}`, help }));
  const shells = ["bash", "zsh", "fish"].map((word) => ({ word, help: `script for ${word}` }));
  const operands = path === "completion" ? shells : [];
  return { path, words: [...operands, ...words, { word: "--help", help: "print the options" }] };
}
