CREATE TABLE "schedules" (
	"tenant" text DEFAULT 'default' NOT NULL,
	"name" text NOT NULL,
	"id" uuid NOT NULL,
	"type" text NOT NULL,
	"definition" jsonb NOT NULL,
	"source" text NOT NULL,
	"paused" boolean DEFAULT false NOT NULL,
	"next_at" timestamp with time zone,
	"last_slot" timestamp with time zone,
	"last_job_id" uuid,
	"last_run" jsonb,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "schedules_tenant_name_pk" PRIMARY KEY("tenant","name")
);
--> statement-breakpoint
CREATE INDEX "schedules_due" ON "schedules" USING btree ("next_at") WHERE next_at is not null;