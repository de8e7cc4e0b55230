CREATE TABLE "queue_settings" (
	"queue" text PRIMARY KEY NOT NULL,
	"paused" boolean DEFAULT false NOT NULL,
	"concurrency" integer,
	"rate_max" integer,
	"rate_duration_ms" integer,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
