CREATE TABLE "operations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant" text DEFAULT 'default' NOT NULL,
	"action" text NOT NULL,
	"filter" jsonb NOT NULL,
	"reach" jsonb NOT NULL,
	"rate_per_second" integer,
	"status" text DEFAULT 'pending' NOT NULL,
	"cursor" uuid,
	"seen" integer DEFAULT 0 NOT NULL,
	"changed" integer DEFAULT 0 NOT NULL,
	"skipped" integer DEFAULT 0 NOT NULL,
	"failed" integer DEFAULT 0 NOT NULL,
	"error" text,
	"is_stopping" boolean DEFAULT false NOT NULL,
	"holder" uuid,
	"lease_until" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "reason" text;--> statement-breakpoint
CREATE INDEX "operations_open" ON "operations" USING btree ("id") WHERE status in ('pending', 'running');--> statement-breakpoint
CREATE INDEX "operations_tenant" ON "operations" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "jobs_dead_reason" ON "jobs" USING btree ("tenant","type","reason","id") WHERE status = 'dead';