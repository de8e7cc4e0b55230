ALTER TABLE "imports" ADD COLUMN "then_job" uuid;--> statement-breakpoint
CREATE UNIQUE INDEX "imports_then_job" ON "imports" USING btree ("then_job") WHERE then_job is not null;