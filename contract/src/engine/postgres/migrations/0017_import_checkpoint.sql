ALTER TABLE "idempotency_keys" ADD COLUMN "body_bytes" bigint;--> statement-breakpoint
ALTER TABLE "idempotency_keys" ADD COLUMN "import_id" uuid;