CREATE TABLE "feed_items" (
	"source" text NOT NULL,
	"guid" text NOT NULL,
	"item" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "feed_items_source_guid_pk" PRIMARY KEY("source","guid")
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"tenant" text DEFAULT 'default' NOT NULL,
	"key" text NOT NULL,
	"request_hash" text NOT NULL,
	"status" smallint,
	"body" json,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_keys_tenant_key_pk" PRIMARY KEY("tenant","key")
);
--> statement-breakpoint
CREATE TABLE "imported_rows" (
	"import_id" uuid NOT NULL,
	"row" integer NOT NULL,
	"values" jsonb NOT NULL,
	CONSTRAINT "imported_rows_import_id_row_pk" PRIMARY KEY("import_id","row")
);
--> statement-breakpoint
CREATE TABLE "imports" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant" text DEFAULT 'default' NOT NULL,
	"type" text NOT NULL,
	"status" text DEFAULT 'receiving' NOT NULL,
	"read" integer DEFAULT 0 NOT NULL,
	"accepted" integer DEFAULT 0 NOT NULL,
	"duplicate" integer DEFAULT 0 NOT NULL,
	"rejected" integer DEFAULT 0 NOT NULL,
	"completed" integer DEFAULT 0 NOT NULL,
	"dead" integer DEFAULT 0 NOT NULL,
	"errors" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"touched_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant" text DEFAULT 'default' NOT NULL,
	"queue" text NOT NULL,
	"type" text NOT NULL,
	"key" text,
	"status" text DEFAULT 'pending' NOT NULL,
	"run" integer DEFAULT 0 NOT NULL,
	"placings" integer DEFAULT 0 NOT NULL,
	"data" jsonb NOT NULL,
	"options" jsonb NOT NULL,
	"run_at" timestamp with time zone,
	"import_id" uuid,
	"trace" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"result" jsonb,
	"error" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"settled_at" timestamp with time zone
);
--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_pending_key" ON "jobs" USING btree ("tenant","type","key") WHERE status = 'pending' and key is not null;--> statement-breakpoint
CREATE INDEX "jobs_pending" ON "jobs" USING btree ("id") WHERE status = 'pending';--> statement-breakpoint
CREATE INDEX "jobs_import" ON "jobs" USING btree ("import_id","id") WHERE import_id is not null;