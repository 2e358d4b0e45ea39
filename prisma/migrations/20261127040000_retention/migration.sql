-- What is kept for a time only is partitioned, so that it can be dropped without touching what stays: the request log by day, hourly
-- totals and the audit log by month.

-- Makes the partitions of `count` days or months (UTC) that are not there. Rows that the default partition caught move to theirs. A
-- table that is attached locks out neither readers nor writers of the others, as one made in its place would; whoever reads the
-- default partition is waited for, but not for long.
CREATE FUNCTION "create_partitions"("parent" TEXT, "by" TEXT, "unit" TEXT, "first" DATE, "count" INTEGER) RETURNS INTEGER AS $$
DECLARE
    "start" DATE;
    "name" TEXT;
    "starts_at" TIMESTAMPTZ;
    "ends_at" TIMESTAMPTZ;
    "created" INTEGER := 0;
BEGIN
    -- Replicas run this at the same time: one at a time is enough.
    PERFORM pg_advisory_xact_lock(hashtext('create_request_log_partitions'));
    -- What waits for a lock has all that comes behind it wait, too.
    PERFORM set_config('lock_timeout', '250ms', true);
    FOR i IN 0 .. "count" - 1 LOOP
        "start" := date_trunc("unit", "first"::timestamp) + i * ('1 ' || "unit")::interval;
        "name" := "parent" || to_char("start", CASE "unit" WHEN 'day' THEN '_YYYYMMDD' ELSE '_YYYYMM' END);
        CONTINUE WHEN to_regclass("name") IS NOT NULL;
        "starts_at" := "start"::timestamp AT TIME ZONE 'UTC';
        "ends_at" := ("start" + ('1 ' || "unit")::interval) AT TIME ZONE 'UTC';
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', "name", "parent");
        EXECUTE format(
            'WITH moved AS (DELETE FROM %I WHERE %I >= $1 AND %2$I < $2 RETURNING *) INSERT INTO %I SELECT * FROM moved',
            "parent" || '_default', "by", "name"
        ) USING "starts_at", "ends_at";
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', "parent", "name", "starts_at", "ends_at");
        "created" := "created" + 1;
    END LOOP;
    RETURN "created";
END
$$ LANGUAGE plpgsql SET lock_timeout = '2s';

CREATE OR REPLACE FUNCTION "create_request_log_partitions"("first_day" DATE, "days" INTEGER) RETURNS INTEGER AS $$
BEGIN
    RETURN "create_partitions"('request_log', 'started_at', 'day', "first_day", "days");
END
$$ LANGUAGE plpgsql;

-- Turns a table into one that is partitioned by month, with its rows and its indexes.
CREATE FUNCTION "partition_by_month"("parent" TEXT, "by" TEXT, "primary_key" TEXT) RETURNS VOID AS $$
DECLARE
    "whole" TEXT := "parent" || '_whole';
    "indexes" TEXT[];
    "index" TEXT;
    "oldest" TIMESTAMPTZ;
    "newest" TIMESTAMPTZ;
BEGIN
    SELECT coalesce(array_agg(pg_get_indexdef(indexrelid)), '{}') INTO "indexes" FROM pg_index
    WHERE indrelid = "parent"::regclass AND NOT indisprimary;
    EXECUTE format('ALTER TABLE %I RENAME TO %I', "parent", "whole");
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (%I)', "parent", "whole", "by");
    EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', "parent" || '_default', "parent");
    EXECUTE format('SELECT min(%I), max(%1$I) FROM %I', "by", "whole") INTO "oldest", "newest";
    IF "oldest" IS NOT NULL THEN
        PERFORM "create_partitions"("parent", "by", 'month', ("oldest" AT TIME ZONE 'UTC')::date, (
            (extract(year FROM "newest" AT TIME ZONE 'UTC') - extract(year FROM "oldest" AT TIME ZONE 'UTC')) * 12
            + extract(month FROM "newest" AT TIME ZONE 'UTC') - extract(month FROM "oldest" AT TIME ZONE 'UTC') + 1
        )::int);
    END IF;
    EXECUTE format('INSERT INTO %I SELECT * FROM %I', "parent", "whole");
    EXECUTE format('DROP TABLE %I', "whole");
    -- The indexes have their names again, as those of the whole are gone.
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I PRIMARY KEY %s', "parent", "parent" || '_pkey', "primary_key");
    FOREACH "index" IN ARRAY "indexes" LOOP
        EXECUTE "index";
    END LOOP;
END
$$ LANGUAGE plpgsql;

SELECT "partition_by_month"('audit_entries', 'at', '("at", "id")');
SELECT "partition_by_month"('usage_hours', 'starts_at', (
    SELECT regexp_replace(pg_get_constraintdef(oid), '^PRIMARY KEY ', '') FROM pg_constraint
    WHERE conrelid = 'usage_hours'::regclass AND contype = 'p'
));

DROP FUNCTION "partition_by_month"(TEXT, TEXT, TEXT);

-- Whose personal data is taken out of the request log: by a job from the rows that are there, at once from those that come later.
CREATE TABLE "erasures" (
    "id" UUID NOT NULL,
    "subject_kind" TEXT NOT NULL,
    "subject" TEXT,
    "state" TEXT NOT NULL DEFAULT 'running',
    "rows" BIGINT NOT NULL DEFAULT 0,
    "erased_until" TIMESTAMPTZ(3),
    "next_run_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "first_finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "erasures_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "erasures_subject_kind_check" CHECK ("subject_kind" IN ('key', 'group', 'session'))
);

-- Every batch of rows asks whether it is older than the last erasure.
CREATE INDEX "erasures_created_at_idx" ON "erasures" ("created_at");
