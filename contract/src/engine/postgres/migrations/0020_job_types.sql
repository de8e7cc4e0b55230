CREATE TABLE "job_types" (
	"tenant" text DEFAULT 'default' NOT NULL,
	"type" text NOT NULL,
	"queue" text NOT NULL,
	"definition" jsonb NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"revision" bigint NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp with time zone,
	CONSTRAINT "job_types_tenant_type_pk" PRIMARY KEY("tenant","type")
);
--> statement-breakpoint
CREATE UNIQUE INDEX "job_types_revision" ON "job_types" USING btree ("revision");--> statement-breakpoint
CREATE INDEX "job_types_queue" ON "job_types" USING btree ("queue");