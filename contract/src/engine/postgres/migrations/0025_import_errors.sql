CREATE TABLE "import_errors" (
	"import_id" uuid NOT NULL,
	"part" integer NOT NULL,
	"row" integer NOT NULL,
	"line" integer NOT NULL,
	"type" text NOT NULL,
	"field" text,
	"reason" text NOT NULL,
	"text" text NOT NULL,
	CONSTRAINT "import_errors_import_id_part_row_pk" PRIMARY KEY("import_id","part","row")
);
--> statement-breakpoint
ALTER TABLE "imports" ADD COLUMN "dry_run" boolean DEFAULT false NOT NULL;