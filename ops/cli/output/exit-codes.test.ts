import { expect, test } from "bun:test";

import { UserError } from "../../dev/user-error.ts";
import { describeError } from "./exit-codes.ts";

test("an expected error keeps its lines, and cannot control the terminal", () => {
  const error = new UserError("Port 3000 is taken.\nChoose another one.\u001B[2J");
  expect(describeError(error)).toBe("Port 3000 is taken.\nChoose another one.\uFFFD[2J");
});
