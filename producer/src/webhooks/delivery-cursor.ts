import type { DeliveryPosition } from "@toril/contract/engine/webhooks/delivery-ledger";
import { z } from "zod";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";

const Position = z.string().regex(/^\d{1,18}_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

/** Encodes a position in the list of deliveries as an opaque cursor. */
export function encodePosition({ createdMicros, id }: DeliveryPosition): string {
  return encodeCursor(`${createdMicros}_${id}`);
}

export function decodePosition(cursor: string): DeliveryPosition {
  const [createdMicros = "", id = ""] = decodeCursor(cursor, Position).split("_");
  return { createdMicros, id };
}
