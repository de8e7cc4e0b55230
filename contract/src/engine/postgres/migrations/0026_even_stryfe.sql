ALTER TABLE "feeds" ADD COLUMN "new_items" integer;--> statement-breakpoint
ALTER TABLE "feeds" ADD COLUMN "changed_items" integer;--> statement-breakpoint
ALTER TABLE "feeds" ADD COLUMN "moved_to" text;--> statement-breakpoint
ALTER TABLE "feeds" ADD COLUMN "ended_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "feeds" ADD COLUMN "not_before" timestamp with time zone;