-- Prices by service tier and for groups, the end of a price, and what a row has to know to be priced again.
ALTER TABLE "model_prices"
    ADD COLUMN "priced" BOOLEAN NOT NULL DEFAULT true,
    ADD COLUMN "service_tiers" JSONB NOT NULL DEFAULT '{}';

ALTER TABLE "groups"
    ADD COLUMN "price_multiplier" DECIMAL(8,4) NOT NULL DEFAULT 1,
    ADD COLUMN "unpriced_models" TEXT NOT NULL DEFAULT 'allow',
    ADD COLUMN "ceiling_prices" JSONB;

-- Null in rows from before: their cost is the base cost, the multiplier 1, and one call was made.
ALTER TABLE "request_log"
    ADD COLUMN "service_tier" TEXT,
    ADD COLUMN "base_cost_nano_usd" BIGINT,
    ADD COLUMN "price_multiplier" DECIMAL(8,4),
    ADD COLUMN "priced_calls" INTEGER;
