-- CreateTable
CREATE TABLE "groups" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "groups_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "group_models" (
    "group_id" UUID NOT NULL,
    "pattern" TEXT NOT NULL,

    CONSTRAINT "group_models_pkey" PRIMARY KEY ("group_id","pattern")
);

-- CreateTable
CREATE TABLE "api_keys" (
    "id" UUID NOT NULL,
    "group_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "owner" TEXT NOT NULL DEFAULT '',
    "models" TEXT[],
    "secret_hash" BYTEA NOT NULL,
    "prefix" TEXT NOT NULL,
    "last4" TEXT NOT NULL,
    "previous_secret_hash" BYTEA,
    "previous_secret_expires_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "change_seq" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "models" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "aliases" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "models_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "model_prices" (
    "id" UUID NOT NULL,
    "model_id" UUID NOT NULL,
    "effective_from" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "input_per_million" BIGINT NOT NULL,
    "cached_input_per_million" BIGINT NOT NULL,
    "cache_write_per_million" BIGINT NOT NULL,
    "output_per_million" BIGINT NOT NULL,
    "reasoning_per_million" BIGINT NOT NULL,
    "per_request" BIGINT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "model_prices_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "upstreams" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "base_url" TEXT NOT NULL,
    "credential_sealed" BYTEA,
    "credential_fingerprint" TEXT,
    "priority" INTEGER NOT NULL DEFAULT 100,
    "weight" INTEGER NOT NULL DEFAULT 1,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "demo" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "upstreams_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "model_upstreams" (
    "model_id" UUID NOT NULL,
    "upstream_id" UUID NOT NULL,
    "upstream_model" TEXT,

    CONSTRAINT "model_upstreams_pkey" PRIMARY KEY ("model_id","upstream_id")
);

-- CreateTable
CREATE TABLE "request_log" (
    "id" UUID NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "key_id" UUID,
    "key_name" TEXT,
    "group_id" UUID,
    "group_name" TEXT,
    "model" TEXT,
    "served_model" TEXT,
    "upstream_id" UUID,
    "upstream_name" TEXT,
    "route" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "stream" BOOLEAN NOT NULL,
    "status" SMALLINT NOT NULL,
    "upstream_status" SMALLINT,
    "outcome" TEXT NOT NULL,
    "error_code" TEXT,
    "error_message" TEXT,
    "settlement" TEXT NOT NULL,
    "usage_source" TEXT NOT NULL,
    "input_tokens" BIGINT,
    "cached_tokens" BIGINT,
    "cache_write_tokens" BIGINT,
    "output_tokens" BIGINT,
    "reasoning_tokens" BIGINT,
    "cost_nano_usd" BIGINT,
    "price_id" UUID,
    "first_byte_ms" DOUBLE PRECISION,
    "duration_ms" DOUBLE PRECISION NOT NULL,
    "attempts" SMALLINT NOT NULL,
    "request_bytes" BIGINT NOT NULL,
    "response_bytes" BIGINT NOT NULL,
    "session_id" TEXT,
    "client" TEXT,
    "client_ip" INET,
    "response_id" TEXT,
    "upstream_request_id" TEXT,
    "client_request_id" TEXT,

    CONSTRAINT "request_log_pkey" PRIMARY KEY ("started_at","id")
) PARTITION BY RANGE ("started_at");

-- CreateTable
CREATE TABLE "usage_hours" (
    "starts_at" TIMESTAMPTZ(3) NOT NULL,
    "key_id" UUID NOT NULL,
    "group_id" UUID NOT NULL,
    "model" TEXT NOT NULL,
    "upstream_id" UUID NOT NULL,
    "requests" BIGINT NOT NULL,
    "errors" BIGINT NOT NULL,
    "input_tokens" BIGINT NOT NULL,
    "cached_tokens" BIGINT NOT NULL,
    "cache_write_tokens" BIGINT NOT NULL,
    "output_tokens" BIGINT NOT NULL,
    "reasoning_tokens" BIGINT NOT NULL,
    "cost_nano_usd" BIGINT NOT NULL,

    CONSTRAINT "usage_hours_pkey" PRIMARY KEY ("starts_at","key_id","group_id","model","upstream_id")
);

-- CreateTable
CREATE TABLE "usage_days" (
    "starts_at" TIMESTAMPTZ(3) NOT NULL,
    "key_id" UUID NOT NULL,
    "group_id" UUID NOT NULL,
    "model" TEXT NOT NULL,
    "upstream_id" UUID NOT NULL,
    "requests" BIGINT NOT NULL,
    "errors" BIGINT NOT NULL,
    "input_tokens" BIGINT NOT NULL,
    "cached_tokens" BIGINT NOT NULL,
    "cache_write_tokens" BIGINT NOT NULL,
    "output_tokens" BIGINT NOT NULL,
    "reasoning_tokens" BIGINT NOT NULL,
    "cost_nano_usd" BIGINT NOT NULL,

    CONSTRAINT "usage_days_pkey" PRIMARY KEY ("starts_at","key_id","group_id","model","upstream_id")
);

-- CreateTable
CREATE TABLE "audit_entries" (
    "id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "object_type" TEXT NOT NULL,
    "object_id" UUID NOT NULL,
    "before" JSONB,
    "after" JSONB,

    CONSTRAINT "audit_entries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "settings" (
    "name" TEXT NOT NULL,
    "value" JSONB NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "settings_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "change_feed" (
    "topic" TEXT NOT NULL,
    "version" BIGINT NOT NULL DEFAULT 0,
    "deleted_version" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "change_feed_pkey" PRIMARY KEY ("topic")
);

-- CreateIndex
CREATE UNIQUE INDEX "groups_name_key" ON "groups"("name");

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_secret_hash_key" ON "api_keys"("secret_hash");

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_previous_secret_hash_key" ON "api_keys"("previous_secret_hash");

-- CreateIndex
CREATE INDEX "api_keys_group_id_idx" ON "api_keys"("group_id");

-- CreateIndex
CREATE INDEX "api_keys_change_seq_idx" ON "api_keys"("change_seq");

-- CreateIndex
CREATE UNIQUE INDEX "models_name_key" ON "models"("name");

-- CreateIndex
CREATE INDEX "model_prices_model_id_effective_from_idx" ON "model_prices"("model_id", "effective_from");

-- CreateIndex
CREATE UNIQUE INDEX "upstreams_name_key" ON "upstreams"("name");

-- CreateIndex
CREATE INDEX "model_upstreams_upstream_id_idx" ON "model_upstreams"("upstream_id");

-- CreateIndex
CREATE INDEX "request_log_key_id_started_at_idx" ON "request_log"("key_id", "started_at");

-- CreateIndex
CREATE INDEX "request_log_group_id_started_at_idx" ON "request_log"("group_id", "started_at");

-- CreateIndex
CREATE INDEX "request_log_session_id_started_at_idx" ON "request_log"("session_id", "started_at");

-- CreateIndex
CREATE INDEX "audit_entries_object_id_at_idx" ON "audit_entries"("object_id", "at");

-- AddForeignKey
ALTER TABLE "group_models" ADD CONSTRAINT "group_models_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "groups"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "groups"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "model_prices" ADD CONSTRAINT "model_prices_model_id_fkey" FOREIGN KEY ("model_id") REFERENCES "models"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "model_upstreams" ADD CONSTRAINT "model_upstreams_model_id_fkey" FOREIGN KEY ("model_id") REFERENCES "models"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "model_upstreams" ADD CONSTRAINT "model_upstreams_upstream_id_fkey" FOREIGN KEY ("upstream_id") REFERENCES "upstreams"("id") ON DELETE RESTRICT ON UPDATE CASCADE;



-- The request log is partitioned by day (UTC). Partitions are created ahead of time by this function, at start and hourly;
-- the default partition catches a row whose day is missing, so that no request goes unlogged.
CREATE TABLE "request_log_default" PARTITION OF "request_log" DEFAULT;

-- Rows that it caught (a clock that jumped, a machine that slept for more than a week) move to their day as it is created.
CREATE FUNCTION "create_request_log_partitions"("first_day" DATE, "days" INTEGER) RETURNS INTEGER AS $$
DECLARE
    "day" DATE;
    "name" TEXT;
    "day_start" TIMESTAMPTZ;
    "day_end" TIMESTAMPTZ;
    "created" INTEGER := 0;
BEGIN
    -- Replicas run this at the same time: one at a time is enough.
    PERFORM pg_advisory_xact_lock(hashtext('create_request_log_partitions'));
    FOR i IN 0 .. "days" - 1 LOOP
        "day" := "first_day" + i;
        "name" := 'request_log_' || to_char("day", 'YYYYMMDD');
        CONTINUE WHEN to_regclass("name") IS NOT NULL;
        "day_start" := "day"::timestamp AT TIME ZONE 'UTC';
        "day_end" := ("day" + 1)::timestamp AT TIME ZONE 'UTC';
        IF EXISTS (SELECT 1 FROM "request_log_default" WHERE "started_at" >= "day_start" AND "started_at" < "day_end") THEN
            EXECUTE format('CREATE TABLE %I (LIKE "request_log" INCLUDING ALL)', "name");
            EXECUTE format(
                'WITH moved AS (DELETE FROM "request_log_default" WHERE "started_at" >= $1 AND "started_at" < $2 RETURNING *) INSERT INTO %I SELECT * FROM moved',
                "name"
            ) USING "day_start", "day_end";
            EXECUTE format('ALTER TABLE "request_log" ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', "name", "day_start", "day_end");
        ELSE
            EXECUTE format('CREATE TABLE %I PARTITION OF "request_log" FOR VALUES FROM (%L) TO (%L)', "name", "day_start", "day_end");
        END IF;
        "created" := "created" + 1;
    END LOOP;
    RETURN "created";
END
$$ LANGUAGE plpgsql;

-- The change feed tells every replica that what it holds in memory is out of date. A topic's row is locked until the writing
-- transaction commits, so versions become visible in order and a reader that saw version N has seen every change up to N.
INSERT INTO "change_feed" ("topic") VALUES ('keys'), ('config');

CREATE FUNCTION "feed_config_change"() RETURNS TRIGGER AS $$
BEGIN
    UPDATE "change_feed" SET "version" = "version" + 1 WHERE "topic" = 'config';
    PERFORM pg_notify('tollgate_changes', 'config');
    RETURN NULL;
END
$$ LANGUAGE plpgsql;

CREATE TRIGGER "groups_feed" AFTER INSERT OR UPDATE OR DELETE ON "groups" EXECUTE FUNCTION "feed_config_change"();
CREATE TRIGGER "group_models_feed" AFTER INSERT OR UPDATE OR DELETE ON "group_models" EXECUTE FUNCTION "feed_config_change"();
CREATE TRIGGER "models_feed" AFTER INSERT OR UPDATE OR DELETE ON "models" EXECUTE FUNCTION "feed_config_change"();
CREATE TRIGGER "model_prices_feed" AFTER INSERT OR UPDATE OR DELETE ON "model_prices" EXECUTE FUNCTION "feed_config_change"();
CREATE TRIGGER "model_upstreams_feed" AFTER INSERT OR UPDATE OR DELETE ON "model_upstreams" EXECUTE FUNCTION "feed_config_change"();
CREATE TRIGGER "upstreams_feed" AFTER INSERT OR UPDATE OR DELETE ON "upstreams" EXECUTE FUNCTION "feed_config_change"();

-- Keys are many: a changed key carries the feed's version, so that replicas read only what is newer than what they hold.
CREATE FUNCTION "feed_key_change"() RETURNS TRIGGER AS $$
BEGIN
    UPDATE "change_feed" SET "version" = "version" + 1 WHERE "topic" = 'keys' RETURNING "version" INTO NEW."change_seq";
    PERFORM pg_notify('tollgate_changes', 'keys');
    RETURN NEW;
END
$$ LANGUAGE plpgsql;

CREATE FUNCTION "feed_key_deletion"() RETURNS TRIGGER AS $$
BEGIN
    UPDATE "change_feed" SET "version" = "version" + 1, "deleted_version" = "version" + 1 WHERE "topic" = 'keys';
    PERFORM pg_notify('tollgate_changes', 'keys');
    RETURN NULL;
END
$$ LANGUAGE plpgsql;

-- last_used_at and updated_at are not part of what replicas hold: writing them must not wake the feed.
CREATE TRIGGER "api_keys_feed" BEFORE INSERT OR UPDATE OF
    "group_id", "name", "models", "secret_hash", "previous_secret_hash", "previous_secret_expires_at", "expires_at", "revoked_at"
    ON "api_keys" FOR EACH ROW EXECUTE FUNCTION "feed_key_change"();
CREATE TRIGGER "api_keys_feed_deletion" AFTER DELETE ON "api_keys" EXECUTE FUNCTION "feed_key_deletion"();
