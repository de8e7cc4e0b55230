ALTER TABLE "jobs" RENAME COLUMN "run" TO "generation";--> statement-breakpoint
ALTER TABLE "key_windows" RENAME TO "dedup_windows";--> statement-breakpoint
ALTER TABLE "dedup_windows" RENAME CONSTRAINT "key_windows_tenant_type_key_pk" TO "dedup_windows_tenant_type_key_pk";--> statement-breakpoint
ALTER INDEX "key_windows_until" RENAME TO "dedup_windows_until";--> statement-breakpoint
ALTER TABLE "operations" RENAME COLUMN "reach" TO "restrictions";--> statement-breakpoint
ALTER TABLE "schedules" RENAME COLUMN "last_slot" TO "last_fire_time";--> statement-breakpoint
ALTER TABLE "schedules" RENAME COLUMN "deferred_slot" TO "deferred_fire_time";--> statement-breakpoint
-- Postgres 18 names the constraints of columns that are not null.
DO $$
DECLARE one record;
BEGIN
	FOR one IN
		SELECT conrelid::regclass AS relation, conname,
			replace(replace(replace(conname, 'key_windows_', 'dedup_windows_'), 'jobs_run_', 'jobs_generation_'), 'operations_reach_', 'operations_restrictions_') AS renamed
		FROM pg_constraint
		WHERE contype = 'n' AND conrelid IN ('jobs'::regclass, 'dedup_windows'::regclass, 'operations'::regclass)
	LOOP
		IF one.renamed <> one.conname THEN
			EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', one.relation, one.conname, one.renamed);
		END IF;
	END LOOP;
END $$;--> statement-breakpoint
UPDATE "schedules" SET
	"definition" = ("definition" - 'missed') || jsonb_build_object('misfire', CASE "definition" ->> 'missed' WHEN 'skip' THEN 'skip' ELSE 'catch-up' END),
	"last_run" = ("last_run" - 'slot') || jsonb_build_object('scheduledFor', "last_run" -> 'slot')
		|| CASE "last_run" ->> 'reason' WHEN 'missed' THEN '{"reason":"misfire"}'::jsonb ELSE '{}'::jsonb END;