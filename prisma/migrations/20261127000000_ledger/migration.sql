-- What keys and groups have paid in before they use it, and every change of that.
CREATE TABLE "prepaid_balances" (
    "owner_id" UUID NOT NULL,
    "owner_kind" TEXT NOT NULL,
    "opened_at" TIMESTAMPTZ(3) NOT NULL,
    "credited_nano_usd" BIGINT NOT NULL DEFAULT 0,
    "last_top_up_nano_usd" BIGINT NOT NULL DEFAULT 0,
    "spent_nano_usd" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "prepaid_balances_pkey" PRIMARY KEY ("owner_id"),
    CONSTRAINT "prepaid_balances_owner_kind_check" CHECK ("owner_kind" IN ('key', 'group'))
);

CREATE TABLE "ledger_entries" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "position" BIGSERIAL NOT NULL,
    "owner_id" UUID NOT NULL,
    "owner_kind" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "amount_nano_usd" BIGINT NOT NULL,
    "balance_nano_usd" BIGINT NOT NULL,
    "requests" INTEGER,
    "reason" TEXT NOT NULL DEFAULT '',
    "reference" TEXT,
    "actor" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ledger_entries_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "ledger_entries_kind_check" CHECK ("kind" IN ('top_up', 'correction', 'usage', 'repricing', 'closing'))
);

CREATE INDEX "ledger_entries_owner_id_position_idx" ON "ledger_entries"("owner_id", "position");

-- A top-up that is sent twice counts once.
CREATE UNIQUE INDEX "ledger_entries_owner_id_reference_key" ON "ledger_entries"("owner_id", "reference");

-- Entries are only ever added.
CREATE FUNCTION "refuse_ledger_change"() RETURNS TRIGGER AS $$
BEGIN
    RAISE EXCEPTION 'entries of the ledger are never changed or deleted: add a correction' USING ERRCODE = 'restrict_violation';
END
$$ LANGUAGE plpgsql;

CREATE TRIGGER "ledger_entries_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "ledger_entries"
    EXECUTE FUNCTION "refuse_ledger_change"();

-- What was paid in is a limit, which replicas hold with the rest of the key or the group; what was spent they count themselves.
CREATE FUNCTION "feed_balance_change"() RETURNS TRIGGER AS $$
DECLARE
    "balance" "prepaid_balances" := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    IF "balance"."owner_kind" = 'key' THEN
        UPDATE "api_keys" SET "name" = "name" WHERE "id" = "balance"."owner_id";
    ELSE
        UPDATE "groups" SET "name" = "name" WHERE "id" = "balance"."owner_id";
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;

CREATE TRIGGER "prepaid_balances_feed" AFTER INSERT OR UPDATE OF "credited_nano_usd" OR DELETE ON "prepaid_balances"
    FOR EACH ROW EXECUTE FUNCTION "feed_balance_change"();
