CREATE TABLE "push_endpoints" (
	"tenant" text DEFAULT 'default' NOT NULL,
	"type" text NOT NULL,
	"id" uuid NOT NULL,
	"secret" text NOT NULL,
	"previous_secret" text,
	"previous_until" timestamp with time zone,
	"is_enabled" boolean DEFAULT true NOT NULL,
	"disabled_at" timestamp with time zone,
	"failures" integer DEFAULT 0 NOT NULL,
	"last_error" text,
	"paused_until" timestamp with time zone,
	"pause_reason" text,
	CONSTRAINT "push_endpoints_tenant_type_pk" PRIMARY KEY("tenant","type")
);
