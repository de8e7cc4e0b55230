ALTER TABLE "feed_items" ADD COLUMN "tenant" text DEFAULT 'default' NOT NULL;--> statement-breakpoint
ALTER TABLE "feed_items" DROP CONSTRAINT "feed_items_source_guid_pk";--> statement-breakpoint
ALTER TABLE "feed_items" ADD CONSTRAINT "feed_items_tenant_source_guid_pk" PRIMARY KEY("tenant","source","guid");
