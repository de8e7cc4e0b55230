CREATE TABLE "feeds" (
	"tenant" text DEFAULT 'default' NOT NULL,
	"source" text NOT NULL,
	"url" text NOT NULL,
	"final_url" text,
	"etag" text,
	"last_modified" text,
	"status" smallint,
	"last_error" text,
	"failures" integer DEFAULT 0 NOT NULL,
	"fetched_at" timestamp with time zone,
	"fetches" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "feeds_identity" ON "feeds" USING btree ("tenant","source",md5(url));