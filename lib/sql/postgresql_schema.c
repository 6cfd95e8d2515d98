/* The control schema on the target, version 5. Every statement may be run again; the advisory lock keeps two daemons
 * from making the same thing at the same moment, which IF NOT EXISTS alone does not. Changes to come are additive only,
 * so that a release runs on the schema of the one before; a newer version that is there already is never rewritten. */
#include "postgresql_dialect.h"

#include <stddef.h>

const char *const bf_postgresql_schema_ddl[] = {
    /* Taken until the end of the transaction; the number is "backfill" in ASCII. */
    "SELECT pg_advisory_xact_lock(7089063221083761004)",

    /* New tables would break the subscribers of such a publication: their apply workers find none of that name. Only we
     * are held back: a DBA who runs these texts has made the tables there before. */
    "DO $$ DECLARE names text; BEGIN "
    "SELECT string_agg(quote_ident(pubname), ', ' ORDER BY pubname) INTO names FROM pg_publication WHERE puballtables; "
    "IF names IS NOT NULL AND current_setting('application_name') LIKE 'backfilld %' THEN "
    "RAISE EXCEPTION '%', format(" BF_POSTGRESQL_PUBLICATION ", names); END IF; END $$",

    "CREATE SCHEMA IF NOT EXISTS backfilld",

    "CREATE TABLE IF NOT EXISTS backfilld.meta ("
    "key text PRIMARY KEY, "
    "value text NOT NULL)",

    "CREATE TABLE IF NOT EXISTS backfilld.job ("
    "id text PRIMARY KEY, "
    "name text NOT NULL, "
    "document json NOT NULL, "
    "hash text NOT NULL, "
    "plan json, "
    "approver text, "
    "state text NOT NULL, "
    "created_at timestamptz NOT NULL DEFAULT clock_timestamp(), "
    "started_at timestamptz, "
    "updated_at timestamptz NOT NULL DEFAULT clock_timestamp(), "
    "ended_at timestamptz)",

    /* One page holds a row and the versions that each batch leaves behind: no column that changes is indexed and the
     * page has room, so every update is heap-only and is cleaned up without vacuum. */
    "CREATE TABLE IF NOT EXISTS backfilld.checkpoint ("
    "job text NOT NULL, "
    "slice integer NOT NULL, "
    "epoch bigint NOT NULL DEFAULT 0, "
    "seq bigint NOT NULL DEFAULT 0, "
    "pass bigint NOT NULL DEFAULT 1, "
    "after text, "
    "position text, "
    "low text, "
    "split integer NOT NULL DEFAULT 0, "
    "through text, "
    "rows_scanned bigint NOT NULL DEFAULT 0, "
    "rows_changed bigint NOT NULL DEFAULT 0, "
    "rows_changed_counted boolean NOT NULL DEFAULT true, "
    "batches bigint NOT NULL DEFAULT 0, "
    "batch_rows bigint NOT NULL, "
    "done boolean NOT NULL DEFAULT false, "
    "identity text NOT NULL, "
    "definition text NOT NULL, "
    "owner text NOT NULL DEFAULT '', "
    "transaction bigint, "
    "pass_rows_changed bigint NOT NULL DEFAULT 0, "
    "pass_found_before bigint, "
    "canary boolean NOT NULL DEFAULT false, "
    "updated_at timestamptz NOT NULL DEFAULT clock_timestamp(), "
    "PRIMARY KEY (job, slice)) WITH (fillfactor = 20)",

    "CREATE TABLE IF NOT EXISTS backfilld.control ("
    "job text PRIMARY KEY, "
    "name text NOT NULL, "
    "goal text NOT NULL DEFAULT 'run' CHECK (goal IN ('run', 'pause', 'abort')), "
    "changed_at timestamptz NOT NULL DEFAULT clock_timestamp())",

    "INSERT INTO backfilld.control (job, name) VALUES ('*', 'all jobs') ON CONFLICT DO NOTHING",

    /* Version 2: rows that others held when their batch was run; done later, and struck off by the same transaction. */
    "CREATE TABLE IF NOT EXISTS backfilld.aside ("
    "job text NOT NULL, "
    "slice integer NOT NULL, "
    "seq bigint NOT NULL, "
    "key text COLLATE \"C\" NOT NULL, "
    "taken boolean NOT NULL DEFAULT false, "
    "set_aside_at timestamptz NOT NULL DEFAULT clock_timestamp(), "
    "PRIMARY KEY (job, slice, seq, key))",
    "CREATE INDEX IF NOT EXISTS aside_taken ON backfilld.aside (job, slice) WHERE taken",

    /* Version 3: changes that a way back did not take back, by their place in the job's journal. */
    "CREATE TABLE IF NOT EXISTS backfilld.conflict ("
    "job text NOT NULL, "
    "slice integer NOT NULL, "
    "seq bigint NOT NULL, "
    "part integer NOT NULL, "
    "place integer NOT NULL, "
    "key text NOT NULL, "
    "kind text NOT NULL CHECK (kind IN ('changed', 'deleted', 'altered', 'refused')), "
    "found_at timestamptz NOT NULL DEFAULT clock_timestamp(), "
    "PRIMARY KEY (job, slice, seq, part, place))",

    /* Version 4: rows that the server refused to change. */
    "CREATE TABLE IF NOT EXISTS backfilld.bad_row ("
    "job text NOT NULL, "
    "slice integer NOT NULL, "
    "seq bigint NOT NULL, "
    "key text COLLATE \"C\" NOT NULL, "
    "error text NOT NULL, "
    "sqlstate text NOT NULL, "
    "found_at timestamptz NOT NULL DEFAULT clock_timestamp(), "
    "PRIMARY KEY (job, key))",

    /* Version 5: what else the state store alone knew of a job, for who adopts it when the store is lost. */
    "CREATE TABLE IF NOT EXISTS backfilld.job_record ("
    "job text PRIMARY KEY, "
    "record json NOT NULL, "
    "written_at timestamptz NOT NULL DEFAULT clock_timestamp())",

    /* What a batch says when it finds a row changed between its look at it and its own change: it is taken back. */
    "CREATE OR REPLACE FUNCTION backfilld.changed_meanwhile() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN "
    "RAISE EXCEPTION 'a row was changed meanwhile' USING ERRCODE = 'serialization_failure'; END $$",

    "INSERT INTO backfilld.meta (key, value) VALUES ('schema_version', '5') ON CONFLICT (key) DO UPDATE "
    "SET value = excluded.value WHERE meta.value::int < excluded.value::int",

    NULL};
