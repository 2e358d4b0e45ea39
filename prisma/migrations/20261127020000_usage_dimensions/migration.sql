-- Usage by error, client and service tier, and by the minute. What a row counts under stands in these functions, and nowhere else.

-- '': no error. Codes come from upstreams, too: what does not look like one counts under the outcome.
CREATE FUNCTION "usage_error"("outcome" TEXT, "error_code" TEXT) RETURNS TEXT AS $$
    SELECT CASE
        WHEN "outcome" IN ('ok', 'client_left') THEN ''
        WHEN "error_code" ~ '^[a-z0-9_.]{1,64}$' THEN "error_code"
        ELSE "outcome"
    END
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;

-- The name without its version, which would make a row of totals per release; and only of requests with a key: strangers say what they like.
-- Every row written asks this three times: a pattern with a group or a bound would take twenty times as long.
CREATE FUNCTION "usage_client"("key_id" UUID, "client" TEXT) RETURNS TEXT AS $$
    SELECT CASE
        WHEN "key_id" IS NOT NULL AND length(split_part("client", '/', 1)) <= 40
            AND split_part("client", '/', 1) ~ '^[A-Za-z][A-Za-z0-9._-]*$' THEN split_part("client", '/', 1)
        ELSE ''
    END
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION "usage_service_tier"("service_tier" TEXT) RETURNS TEXT AS $$
    SELECT CASE
        WHEN "service_tier" IS NULL THEN ''
        WHEN "service_tier" IN ('auto', 'default', 'flex', 'priority', 'scale', 'batch') THEN "service_tier"
        ELSE 'other'
    END
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;

-- Totals of before stay as they are: '' in each of the three. A release of before that still runs can add nothing to them from here on; its
-- rows wait in its journal.
ALTER TABLE "usage_hours"
    ADD COLUMN "error" TEXT NOT NULL DEFAULT '',
    ADD COLUMN "client" TEXT NOT NULL DEFAULT '',
    ADD COLUMN "service_tier" TEXT NOT NULL DEFAULT '',
    DROP CONSTRAINT "usage_hours_pkey",
    ADD CONSTRAINT "usage_hours_pkey" PRIMARY KEY ("starts_at", "key_id", "group_id", "model", "upstream_id", "error", "client", "service_tier");

ALTER TABLE "usage_days"
    ADD COLUMN "error" TEXT NOT NULL DEFAULT '',
    ADD COLUMN "client" TEXT NOT NULL DEFAULT '',
    ADD COLUMN "service_tier" TEXT NOT NULL DEFAULT '',
    DROP CONSTRAINT "usage_days_pkey",
    ADD CONSTRAINT "usage_days_pkey" PRIMARY KEY ("starts_at", "key_id", "group_id", "model", "upstream_id", "error", "client", "service_tier");

CREATE TABLE "usage_minutes" (
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
    "error" TEXT NOT NULL DEFAULT '',
    "client" TEXT NOT NULL DEFAULT '',
    "service_tier" TEXT NOT NULL DEFAULT '',

    CONSTRAINT "usage_minutes_pkey" PRIMARY KEY ("starts_at", "key_id", "group_id", "model", "upstream_id", "error", "client", "service_tier")
) PARTITION BY RANGE ("starts_at");

CREATE TABLE "usage_minutes_default" PARTITION OF "usage_minutes" DEFAULT;

-- Which rows have totals by the minute: those of today, of the three days before and of the day after.
CREATE FUNCTION "usage_minutes_from"() RETURNS TIMESTAMPTZ AS $$
    SELECT date_trunc('day', now(), 'UTC') - interval '3 days'
$$ LANGUAGE sql STABLE PARALLEL SAFE;

CREATE FUNCTION "usage_minutes_to"() RETURNS TIMESTAMPTZ AS $$
    SELECT date_trunc('day', now(), 'UTC') + interval '2 days'
$$ LANGUAGE sql STABLE PARALLEL SAFE;

-- The rows of these few days, which are all that the gateway ever reads from this table.
INSERT INTO "usage_minutes"
SELECT date_trunc('minute', "started_at", 'UTC'),
    coalesce("key_id", '00000000-0000-0000-0000-000000000000'), coalesce("group_id", '00000000-0000-0000-0000-000000000000'),
    coalesce("model", ''), coalesce("upstream_id", '00000000-0000-0000-0000-000000000000'),
    count(*), count(*) FILTER (WHERE "outcome" NOT IN ('ok', 'client_left')),
    coalesce(sum("input_tokens"), 0), coalesce(sum("cached_tokens"), 0), coalesce(sum("cache_write_tokens"), 0),
    coalesce(sum("output_tokens"), 0), coalesce(sum("reasoning_tokens"), 0), coalesce(sum("cost_nano_usd"), 0),
    "usage_error"("outcome", "error_code"), "usage_client"("key_id", "client"), "usage_service_tier"("service_tier")
FROM "request_log" WHERE "started_at" >= "usage_minutes_from"() AND "started_at" < "usage_minutes_to"()
GROUP BY 1, 2, 3, 4, 5, 14, 15, 16;
