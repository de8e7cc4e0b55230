import { expect, test } from "bun:test";
import { z } from "zod";
import { defineJob } from "../job-type.ts";
import { rowImport } from "../job-types/row-import.ts";
import { createRowMapping } from "./row-data.ts";

const mixed = defineJob({
  type: "mixed",
  queue: "default",
  data: z.strictObject({
    name: z.string(),
    note: z.string().optional(),
    count: z.int(),
    price: z.number().optional(),
    isNew: z.boolean().optional(),
  }),
  result: z.null(),
});
const toData = createRowMapping(mixed);
const row = (values: Record<string, string>) => ({ importId: "i", row: 1, values });

test("numbers and booleans are read only where the schema asks for them", () => {
  expect(toData(row({ name: "007", count: "12", price: "-1.50", isNew: "true" }))).toEqual({
    name: "007",
    count: 12,
    price: -1.5,
    isNew: true,
  });
});

test("schemas that have names of their own are looked through", () => {
  const amount = z.number().meta({ id: "TestAmount" });
  const data = z.strictObject({ amount }).meta({ id: "TestData" });
  const named = defineJob({ type: "named", queue: "default", data, result: z.null() });
  expect(createRowMapping(named)(row({ amount: "1.5" }))).toEqual({ amount: 1.5 });
});

test("an empty cell is left out where a field is optional and no text", () => {
  expect(toData(row({ name: "", note: "", count: "", price: "", isNew: "" }))).toEqual({
    name: "",
    note: "",
    count: "",
  });
});

test.each(["0x10", " 1", "1 ", "1,5", "Infinity", "NaN", "01", "+1", "1.", ".5", ""])(
  "%p is no number, and the schema says so",
  (count) => {
    expect(mixed.data.safeParse(toData(row({ name: "a", count }))).success).toBe(false);
  },
);

test("a row of row.import keeps the file's strings", () => {
  const values = { zip: "00501", empty: "", number: "1e3" };
  expect(createRowMapping(rowImport)(row(values))).toEqual({
    importId: "i",
    row: 1,
    values,
  });
});
