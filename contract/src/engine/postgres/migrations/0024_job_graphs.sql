CREATE TABLE "graph_events" (
	"seq" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "graph_events_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"parent_id" uuid NOT NULL,
	"child_id" uuid,
	"failure" text
);
--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN IF NOT EXISTS "parent_id" uuid;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "on_failure" text;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN IF NOT EXISTS "waiting_children" boolean;--> statement-breakpoint
CREATE INDEX "graph_events_failed" ON "graph_events" USING btree ("parent_id") WHERE failure is not null;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "jobs_parent" ON "jobs" USING btree ("parent_id","status","id") WHERE parent_id is not null;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "jobs_waiting_children" ON "jobs" USING btree ("id") WHERE status = 'pending' and waiting_children;