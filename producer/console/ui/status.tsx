const tones: Readonly<Record<string, string>> = {
  completed: "good",
  done: "good",
  created: "good",
  delivered: "good",
  dead: "bad",
  failed: "bad",
  lost: "bad",
  revoked: "bad",
  cancelled: "quiet",
  expired: "quiet",
  stopped: "quiet",
  active: "busy",
  running: "busy",
  receiving: "busy",
  delayed: "wait",
  paused: "warn",
  failing: "bad",
  gone: "bad",
};

/** A status, as a word with a coloured dot. */
export function Status({ value }: { value: string }) {
  return (
    <span class="status" data-tone={tones[value] ?? "wait"}>
      {value}
    </span>
  );
}
