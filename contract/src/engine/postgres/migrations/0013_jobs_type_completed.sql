DROP INDEX "jobs_type";--> statement-breakpoint
CREATE INDEX "jobs_type" ON "jobs" USING btree ("tenant","type","id") WHERE status = 'completed';