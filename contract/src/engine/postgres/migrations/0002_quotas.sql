ALTER TABLE "api_keys" ADD COLUMN "quotas" jsonb;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "quota_key" text;--> statement-breakpoint
CREATE INDEX "jobs_quota" ON "jobs" USING btree ("quota_key") WHERE status = 'pending' and quota_key is not null;