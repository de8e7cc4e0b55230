DROP INDEX "operations_open";--> statement-breakpoint
ALTER TABLE "schedules" ADD COLUMN "quota_key" text;--> statement-breakpoint
ALTER TABLE "schedules" ADD COLUMN "deferred_slot" timestamp with time zone;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "jobs_pending_tenant" ON "jobs" USING btree ("tenant","id") WHERE status = 'pending';--> statement-breakpoint
CREATE INDEX "schedules_tenant_due" ON "schedules" USING btree ("tenant","next_at") WHERE next_at is not null;--> statement-breakpoint
CREATE INDEX "operations_open" ON "operations" USING btree ("tenant","lease_until" NULLS FIRST,"id") WHERE status in ('pending', 'running');