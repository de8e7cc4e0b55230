ALTER TABLE "imports" ADD COLUMN "callback_url" text;--> statement-breakpoint
ALTER TABLE "imports" ADD COLUMN "callback_webhook" uuid;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "callback_url" text;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "callback_webhook" uuid;--> statement-breakpoint
ALTER TABLE "webhook_deliveries" ADD COLUMN "url" text;