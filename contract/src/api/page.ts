import { z } from "zod";
import { integerParameter } from "./integer-parameter.ts";
import { limits } from "./limits.ts";

/** The query parameters of every list. */
export const pageQuery = {
  cursor: z.string().optional().meta({ description: "`next` of the previous page" }),
  limit: integerParameter(1, limits.pageSize).default(50),
};

/** Creates the schema of one page of a list; `id` is its name in the document. */
export function createPage<Item extends z.ZodType>(id: string, item: Item) {
  return z
    .strictObject({
      items: z.array(item),
      next: z
        .string()
        .nullable()
        .meta({ description: "Cursor of the next page; null if there are no more results" }),
    })
    .meta({ id });
}
