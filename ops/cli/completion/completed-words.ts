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
  /** Whether the command takes files, which are completed before its options. */
  takesFiles: boolean;
  /** Options with a value, and the values that are allowed; without them, files are completed. */
  values: { options: string[]; choices: readonly string[] }[];
}

/** Lists the words that may follow each command and group. */
export function listCompletions({ commands, groups }: CommandTable): CompletedPath[] {
  const first = [
    ...Object.entries(commands).map(([word, { summary }]) => ({ word, help: summary })),
    ...Object.entries(groups).map(([word, { summary }]) => ({ word, help: summary })),
    { word: "help", help: "print the commands" },
  ];
  return [
    // Commands of a group before the group, whose path is the beginning of theirs.
    ...Object.entries(commands).map(([name, command]) => toPath(name, command)),
    ...Object.entries(groups).flatMap(([group, { commands: own }]) => [
      ...Object.entries(own).map(([name, command]) => toPath(`${group} ${name}`, command)),
      {
        path: group,
        words: Object.entries(own).map(([word, { summary }]) => ({ word, help: summary })),
        takesFiles: false,
        values: [],
      },
    ]),
    { path: "", words: first, takesFiles: false, values: [] },
  ];
}

function toPath(path: string, { operands: names, options }: Command): CompletedPath {
  const words = Object.entries(options).map(([name, { help }]) => ({ word: `--${name}`, help }));
  const shells = ["bash", "zsh", "fish"].map((word) => ({ word, help: `script for ${word}` }));
  const operands = path === "completion" ? shells : [];
  const valued = Object.entries(options).filter(([, { value }]) => value !== undefined);
  const others = valued.filter(([, { choices }]) => choices === undefined);
  return {
    path,
    takesFiles: names.some((name) => name.startsWith("file")),
    words: [...operands, ...words, { word: "--help", help: "print the options" }],
    values: [
      ...valued.flatMap(([name, { choices }]) =>
        choices === undefined ? [] : [{ options: [`--${name}`], choices }],
      ),
      ...(others.length > 0 ? [{ options: others.map(([name]) => `--${name}`), choices: [] }] : []),
    ],
  };
}
