import { expect, test } from "bun:test";
import { createTurns, NoTurn } from "./turns.ts";

test("lanes take turns, so that a long queue in one lane does not delay another", async () => {
  const turns = createTurns({ slots: 1 });
  const end = await turns.take("a");
  const order: string[] = [];
  const wait = async (lane: string) => {
    const endTurn = await turns.take(lane);
    order.push(lane);
    endTurn();
  };
  const all = [wait("a"), wait("a"), wait("a"), wait("b"), wait("b"), wait("c")];
  end();
  end();
  await Promise.all(all);
  expect(order.join("")).toBe("abcaba");
});

test("a lane takes no more turns at the same time than its share", async () => {
  const turns = createTurns({ slots: 3, slotsPerLane: 2 });
  const first = await turns.take("a");
  await turns.take("a");
  let hasStarted = false;
  const third = turns.take("a").then(() => (hasStarted = true));
  (await turns.take("b"))();
  expect(hasStarted).toBe(false);
  first();
  await third;
});

test("a full lane refuses, a late caller gives up, and both leave room for others", async () => {
  const turns = createTurns({ slots: 1, maxWaitingPerLane: 1 });
  const end = await turns.take("a");
  const late = turns.take("a", 1);
  expect(turns.take("a")).rejects.toThrow("no turn: full");
  expect(late).rejects.toThrow("no turn: late");
  await late.catch(() => {});
  const next = turns.take("a");
  end();
  (await next)();
  await turns.take("b");
  const waiting = turns.take("b");
  turns.close();
  expect(waiting).rejects.toBeInstanceOf(NoTurn);
  expect(turns.take("b")).rejects.toThrow("closed");
});
