import { expect, test } from "bun:test";
import { createBreakers } from "./breaker.ts";

/** Waits one turn of the event loop. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

/** Creates breakers whose probes the test resolves. */
function _open() {
  const probes: { queue: string; answer: PromiseWithResolvers<void> }[] = [];
  const changes: string[] = [];
  const breakers = createBreakers({
    probeEveryMs: 1,
    probe(queue) {
      const answer = Promise.withResolvers<void>();
      probes.push({ queue, answer });
      return answer.promise;
    },
    onChange: (queue, availability) => changes.push(`${queue} ${availability}`),
  });
  const nextProbe = async (queue: string) => {
    let at = -1;
    while ((at = probes.findIndex((probe) => probe.queue === queue)) === -1) await turn();
    return probes.splice(at, 1)[0]!.answer;
  };
  return { ...breakers, breakers, probes, nextProbe, changes };
}

const lost = () => Promise.reject(new Error("Connection is closed."));
const refused = (message: string) => () =>
  Promise.reject(Object.assign(new Error(message), { name: "ReplyError" }));
const fine = () => Promise.resolve();

test("an error reply of Redis opens no breaker, unless the reply says that Redis serves no client", async () => {
  const { breakers, attempt, isOpen, changes } = _open();
  for (const message of ["WRONGTYPE Operation", "ERR dispatch: malformed concurrency in meta"]) {
    expect(await attempt("a", refused(message))).toBe(false);
    expect(await attempt("a", () => Promise.reject(new TypeError("not an id")))).toBe(false);
    expect(isOpen("a")).toBe(false);
  }
  expect(await attempt("a", fine)).toBe(true);
  expect(changes).toEqual(["a refusing", "a available"]);
  for (const message of ["OOM command not allowed", "READONLY You can't write", "LOADING Redis"]) {
    expect(await attempt(message, refused(message))).toBe(false);
    expect(isOpen(message)).toBe(true);
  }
  expect(isOpen("a")).toBe(false);
  breakers.close();
});

test("when a queue's Redis is unavailable, the others are probed before they are used again, and only those without answer are closed off", async () => {
  const { breakers, attempt, isOpen, nextProbe, changes } = _open();
  for (const queue of ["a", "b", "c"]) await attempt(queue, fine);
  expect(await attempt("a", lost)).toBe(false);
  const done: string[] = [];
  const waiting = ["b", "c"].map(async (queue) => {
    const isDone = await attempt(queue, fine);
    done.push(`${queue} ${isDone}`);
  });
  expect(await attempt("a", fine)).toBe(false);
  expect(done).toEqual([]);
  (await nextProbe("b")).resolve();
  (await nextProbe("c")).reject(new Error("Command timed out"));
  await Promise.all(waiting);
  expect(done.toSorted()).toEqual(["b true", "c false"]);
  expect(["a", "b", "c"].map((queue) => isOpen(queue))).toEqual([true, false, true]);
  (await nextProbe("a")).reject(new Error("Command timed out"));
  (await nextProbe("a")).resolve();
  while (isOpen("a")) await turn();
  expect(await attempt("a", fine)).toBe(true);
  expect(changes).toEqual(["a unavailable", "c unavailable", "a available"]);
  breakers.close();
});
