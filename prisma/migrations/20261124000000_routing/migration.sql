-- How groups want their calls to be treated, what an upstream can do and how it is called, and what a row tells of it.
ALTER TABLE "groups"
    ADD COLUMN "on_client_left" TEXT NOT NULL DEFAULT 'cancel',
    ADD COLUMN "encrypted_content_on_move" TEXT NOT NULL DEFAULT 'strip';

ALTER TABLE "upstreams"
    ADD COLUMN "max_concurrency" INTEGER,
    ADD COLUMN "stream_mode" TEXT NOT NULL DEFAULT 'both',
    ADD COLUMN "extra_headers_sealed" BYTEA,
    ADD COLUMN "extra_header_names" TEXT[],
    ADD COLUMN "parameter_overrides" JSONB NOT NULL DEFAULT '{}',
    ADD COLUMN "connect_timeout_ms" INTEGER,
    ADD COLUMN "headers_timeout_ms" INTEGER,
    ADD COLUMN "idle_timeout_ms" INTEGER,
    ADD COLUMN "total_timeout_ms" INTEGER,
    ADD COLUMN "http_proxy_sealed" BYTEA,
    ADD COLUMN "cool_down_seconds_max" INTEGER NOT NULL DEFAULT 60,
    ADD COLUMN "probe_interval_seconds" INTEGER,
    ADD COLUMN "tripped_at" TIMESTAMPTZ(3),
    ADD COLUMN "reset_at" TIMESTAMPTZ(3);

ALTER TABLE "request_log"
    ADD COLUMN "upstream_attempts" JSONB,
    ADD COLUMN "keep_alives" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "client_left_action" TEXT,
    ADD COLUMN "last_event" TEXT,
    ADD COLUMN "decision" JSONB;
