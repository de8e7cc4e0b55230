ALTER TABLE "imported_rows" ADD COLUMN "tenant" text DEFAULT 'default' NOT NULL;--> statement-breakpoint
ALTER TABLE "imported_rows" DROP CONSTRAINT "imported_rows_import_id_row_pk";--> statement-breakpoint
ALTER TABLE "imported_rows" ADD CONSTRAINT "imported_rows_tenant_import_id_row_pk" PRIMARY KEY("tenant","import_id","row");
