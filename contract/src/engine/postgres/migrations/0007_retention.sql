CREATE TABLE "retention_marks" (
	"tenant" text DEFAULT 'default' NOT NULL,
	"what" text NOT NULL,
	"newest" uuid NOT NULL,
	CONSTRAINT "retention_marks_tenant_what_pk" PRIMARY KEY("tenant","what")
);
--> statement-breakpoint
ALTER TABLE "idempotency_keys" ADD COLUMN "touched_at" timestamp with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "idempotency_keys" ADD COLUMN "owner" uuid;--> statement-breakpoint
ALTER TABLE "idempotency_keys" ADD COLUMN "body_hash" text;--> statement-breakpoint
CREATE INDEX "idempotency_keys_touched" ON "idempotency_keys" USING btree ("touched_at");--> statement-breakpoint
CREATE INDEX "jobs_settled" ON "jobs" USING btree ("status","settled_at") WHERE settled_at is not null;