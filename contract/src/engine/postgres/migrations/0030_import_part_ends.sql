ALTER TABLE "import_parts" ADD COLUMN "file_bytes" bigint;--> statement-breakpoint
ALTER TABLE "import_parts" ADD COLUMN "ends_row" boolean DEFAULT true NOT NULL;