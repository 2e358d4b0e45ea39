-- The audit log becomes a chain: each entry has a number and the hash of itself and the entry before it. It is only ever added to.
ALTER TABLE "audit_entries" ADD COLUMN "sequence" BIGINT, ADD COLUMN "hash" BYTEA, ADD COLUMN "ip" INET, ADD COLUMN "request_id" TEXT;

-- Where the chain ends. Whoever adds an entry locks the one row of it until its transaction is over: so no two entries have the same
-- one before them, and an end that is cut off is missed.
CREATE TABLE "audit_head" (
    "is_only" BOOLEAN NOT NULL DEFAULT true,
    "sequence" BIGINT NOT NULL,
    "hash" BYTEA NOT NULL,

    CONSTRAINT "audit_head_pkey" PRIMARY KEY ("is_only"),
    CONSTRAINT "audit_head_is_only_check" CHECK ("is_only")
);

INSERT INTO "audit_head" ("sequence", "hash") VALUES (0, '');

-- What retention has dropped, with the hash that the next entry rests on: what else is missing was taken away by somebody.
CREATE TABLE "audit_dropped" (
    "first_sequence" BIGINT NOT NULL,
    "last_sequence" BIGINT NOT NULL,
    "last_hash" BYTEA NOT NULL,
    "dropped_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "audit_dropped_pkey" PRIMARY KEY ("first_sequence")
);

-- docs/audit.md tells how to compute it without this.
CREATE FUNCTION "audit_hash"(
    "previous" BYTEA, "sequence" BIGINT, "id" UUID, "at" TIMESTAMPTZ, "actor" TEXT, "action" TEXT, "object_type" TEXT, "object_id" UUID,
    "before" JSONB, "after" JSONB, "ip" INET, "request_id" TEXT
) RETURNS BYTEA AS $$
    SELECT sha256("previous" || convert_to(jsonb_build_array(
        "sequence", "id", (extract(epoch FROM "at") * 1000)::bigint, "actor", "action", "object_type", "object_id", "before", "after",
        host("ip"), "request_id"
    )::text, 'UTF8'))
$$ LANGUAGE sql STABLE;

CREATE FUNCTION "chain_audit_entry"() RETURNS TRIGGER AS $$
DECLARE
    "head" "audit_head";
BEGIN
    SELECT * INTO STRICT "head" FROM "audit_head" FOR UPDATE;
    NEW."sequence" := "head"."sequence" + 1;
    NEW."hash" := "audit_hash"(
        "head"."hash", NEW."sequence", NEW."id", NEW."at", NEW."actor", NEW."action", NEW."object_type", NEW."object_id",
        NEW."before", NEW."after", NEW."ip", NEW."request_id"
    );
    UPDATE "audit_head" SET "sequence" = NEW."sequence", "hash" = NEW."hash";
    RETURN NEW;
END
$$ LANGUAGE plpgsql;

-- Entries that are there already, in the order of their time.
DO $$
DECLARE
    "entry" "audit_entries";
    "number" BIGINT := 0;
    "previous" BYTEA := '';
BEGIN
    FOR "entry" IN SELECT * FROM "audit_entries" ORDER BY "at", "id" LOOP
        "number" := "number" + 1;
        "previous" := "audit_hash"(
            "previous", "number", "entry"."id", "entry"."at", "entry"."actor", "entry"."action", "entry"."object_type",
            "entry"."object_id", "entry"."before", "entry"."after", NULL, NULL
        );
        UPDATE "audit_entries" SET "sequence" = "number", "hash" = "previous"
        WHERE "at" = "entry"."at" AND "id" = "entry"."id";
    END LOOP;
    UPDATE "audit_head" SET "sequence" = "number", "hash" = "previous";
END
$$;

ALTER TABLE "audit_entries" ALTER COLUMN "sequence" SET NOT NULL, ALTER COLUMN "hash" SET NOT NULL;

CREATE INDEX "audit_entries_sequence_idx" ON "audit_entries"("sequence");
CREATE INDEX "audit_entries_request_id_idx" ON "audit_entries"("request_id");

CREATE FUNCTION "refuse_audit_change"() RETURNS TRIGGER AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever added to' USING ERRCODE = 'restrict_violation';
END
$$ LANGUAGE plpgsql;

CREATE TRIGGER "audit_entries_chain" BEFORE INSERT ON "audit_entries" FOR EACH ROW EXECUTE FUNCTION "chain_audit_entry"();
-- Partitions have those of rows, too.
CREATE TRIGGER "audit_entries_append_only" BEFORE UPDATE OR DELETE ON "audit_entries"
    FOR EACH ROW EXECUTE FUNCTION "refuse_audit_change"();
CREATE TRIGGER "audit_entries_never_changed" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_entries"
    EXECUTE FUNCTION "refuse_audit_change"();
CREATE TRIGGER "audit_dropped_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_dropped"
    EXECUTE FUNCTION "refuse_audit_change"();
-- Only an entry moves it on.
CREATE TRIGGER "audit_head_moved_by_entries" BEFORE INSERT OR UPDATE OR DELETE ON "audit_head"
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION "refuse_audit_change"();
CREATE TRIGGER "audit_head_never_emptied" BEFORE TRUNCATE ON "audit_head" EXECUTE FUNCTION "refuse_audit_change"();

-- A partition that is emptied by its own name has no trigger for that from the table that it belongs to.
DO $$
DECLARE
    "partition" REGCLASS;
BEGIN
    FOR "partition" IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'audit_entries'::regclass LOOP
        EXECUTE format('CREATE TRIGGER "audit_entries_never_emptied" BEFORE TRUNCATE ON %s EXECUTE FUNCTION "refuse_audit_change"()', "partition");
    END LOOP;
END
$$;

-- Notes what a partition held that is detached in the same transaction. Its entries follow each other, unless a clock was set back.
CREATE FUNCTION "note_dropped_audit_entries"("partition" TEXT) RETURNS VOID AS $$
BEGIN
    EXECUTE format(
        'INSERT INTO audit_dropped (first_sequence, last_sequence, last_hash)
         SELECT min(sequence), max(sequence), (array_agg(hash ORDER BY sequence DESC))[1]
         FROM (SELECT sequence, hash, sequence - row_number() OVER (ORDER BY sequence) AS run FROM %I) AS numbered GROUP BY run',
        "partition"
    );
END
$$ LANGUAGE plpgsql;

-- As before, but for what the default partition of the audit log caught: it moves unchanged, past the trigger that would refuse.
CREATE OR REPLACE FUNCTION "create_partitions"("parent" TEXT, "by" TEXT, "unit" TEXT, "first" DATE, "count" INTEGER) RETURNS INTEGER AS $$
DECLARE
    "start" DATE;
    "name" TEXT;
    "starts_at" TIMESTAMPTZ;
    "ends_at" TIMESTAMPTZ;
    "created" INTEGER := 0;
    "is_audit" BOOLEAN := "parent" = 'audit_entries';
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
        IF "is_audit" THEN
            ALTER TABLE "audit_entries_default" DISABLE TRIGGER "audit_entries_append_only";
        END IF;
        EXECUTE format(
            'WITH moved AS (DELETE FROM %I WHERE %I >= $1 AND %2$I < $2 RETURNING *) INSERT INTO %I SELECT * FROM moved',
            "parent" || '_default', "by", "name"
        ) USING "starts_at", "ends_at";
        IF "is_audit" THEN
            ALTER TABLE "audit_entries_default" ENABLE TRIGGER "audit_entries_append_only";
        END IF;
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', "parent", "name", "starts_at", "ends_at");
        IF "is_audit" THEN
            EXECUTE format('CREATE TRIGGER "audit_entries_never_emptied" BEFORE TRUNCATE ON %I EXECUTE FUNCTION "refuse_audit_change"()', "name");
        END IF;
        "created" := "created" + 1;
    END LOOP;
    RETURN "created";
END
$$ LANGUAGE plpgsql SET lock_timeout = '2s';
