-- What the role of the daemon needs on PostgreSQL, run by a superuser in the database itself. backfill, shop and public.orders
-- are examples. Before it, once, and again after an upgrade that says so: backfilld --print-schema=postgresql | psql shop

-- required login: the password, if it has one, stands in password_file
CREATE ROLE backfill LOGIN;

-- required control: checkpoints, the record of jobs, what the fence reads
GRANT USAGE ON SCHEMA backfilld TO backfill;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA backfilld TO backfill;

-- required table: each table that jobs change; UPDATE may be on the columns in "set" alone
GRANT USAGE ON SCHEMA public TO backfill;
GRANT SELECT, UPDATE ON public.orders TO backfill;

-- optional journal: undo journals are tables in the control schema
GRANT CREATE ON SCHEMA backfilld TO backfill;

-- optional proof: the plan tries the way back in a temporary table (of everybody, unless it was revoked)
GRANT TEMPORARY ON DATABASE shop TO backfill;

-- optional sight: other sessions, replicas, snapshots, the archiver
GRANT pg_monitor TO backfill;
