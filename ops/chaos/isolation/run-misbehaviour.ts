import { misbehaviours, type Target } from "./misbehaviours.ts";

/** Runs one misbehaviour until SIGTERM; the last line of output counts the responses. */

const [name, target] = process.argv.slice(2);
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
const answers = new Map<string, number>();
const one = misbehaviours.find((each) => each.name === name);
if (one === undefined || target === undefined) throw new Error(`no misbehaviour "${name}"`);
const note = (what: string) => answers.set(what, (answers.get(what) ?? 0) + 1);
void one.act(JSON.parse(target) as Target, note, stop.signal);
await new Promise((resolve) => stop.signal.addEventListener("abort", resolve));
console.log(Array.from(answers, ([what, count]) => `${count} x ${what}`).join(", "));
process.exit();
