CREATE TABLE "job_terms" (
	"tenant" text DEFAULT 'default' NOT NULL,
	"term" text NOT NULL,
	"job_id" uuid NOT NULL,
	CONSTRAINT "job_terms_tenant_term_job_id_pk" PRIMARY KEY("tenant","term","job_id")
);
--> statement-breakpoint
CREATE TABLE "key_windows" (
	"tenant" text DEFAULT 'default' NOT NULL,
	"type" text NOT NULL,
	"key" text NOT NULL,
	"job_id" uuid NOT NULL,
	"until" timestamp with time zone NOT NULL,
	CONSTRAINT "key_windows_tenant_type_key_pk" PRIMARY KEY("tenant","type","key")
);
--> statement-breakpoint
ALTER TABLE "imports" ADD COLUMN "cancelled" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "imports" ADD COLUMN "expired" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "expires_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "labels" text[];--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "schedule" text;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "failures" jsonb;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "log" jsonb;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "history" jsonb;--> statement-breakpoint
CREATE INDEX "job_terms_job" ON "job_terms" USING btree ("job_id");--> statement-breakpoint
CREATE INDEX "key_windows_until" ON "key_windows" USING btree ("until");--> statement-breakpoint
CREATE INDEX "jobs_type" ON "jobs" USING btree ("tenant","type","id");--> statement-breakpoint
CREATE INDEX "jobs_ended" ON "jobs" USING btree ("tenant","status","id") WHERE status in ('dead', 'cancelled', 'expired');--> statement-breakpoint
CREATE INDEX "jobs_key" ON "jobs" USING btree ("tenant","key","id") WHERE key is not null;--> statement-breakpoint
CREATE INDEX "jobs_expiring" ON "jobs" USING btree ("expires_at","id") WHERE status = 'pending' and expires_at is not null;