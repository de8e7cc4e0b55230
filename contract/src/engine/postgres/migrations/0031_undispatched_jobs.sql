CREATE TABLE "reconciler_progress" (
	"id" smallint PRIMARY KEY NOT NULL,
	"last_id" uuid NOT NULL
);
--> statement-breakpoint
CREATE TABLE "undispatched_jobs" (
	"job_id" uuid PRIMARY KEY NOT NULL
);
