-- Ids are random: the id comes first in the key, so that the same index answers whether another group holds it.
CREATE TABLE "stored_ids" (
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "group_id" UUID NOT NULL,
    "upstream_id" UUID NOT NULL,
    "model" TEXT,
    "usage_pending" BOOLEAN,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "stored_ids_pkey" PRIMARY KEY ("id","kind","group_id")
);

CREATE TABLE "encrypted_content_origins" (
    "fingerprint" BYTEA NOT NULL,
    "upstream_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "encrypted_content_origins_pkey" PRIMARY KEY ("fingerprint")
);

CREATE INDEX "stored_ids_created_at_idx" ON "stored_ids"("created_at");

CREATE INDEX "encrypted_content_origins_created_at_idx" ON "encrypted_content_origins"("created_at");
