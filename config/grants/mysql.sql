-- What the account of the daemon needs on MySQL, run by root. backfill, shop and orders are examples; the host says from where it
-- comes. Before it, once, and again after an upgrade that says so: backfilld --print-schema=mysql | mysql

-- required login: the same password stands in password_file
CREATE USER backfill@'%' IDENTIFIED BY 'secret';

-- required control: checkpoints, the record of jobs, what the fence reads, heartbeats
GRANT SELECT, INSERT, UPDATE, DELETE ON backfilld.* TO backfill@'%';

-- required table: each table that jobs change; UPDATE may be on the columns in "set" alone
GRANT SELECT, UPDATE ON shop.orders TO backfill@'%';

-- optional journal: undo journals are tables in the control database, made and dropped by the daemon
GRANT CREATE, DROP ON backfilld.* TO backfill@'%';

-- optional proof: the plan tries the way back in a temporary table of the table's database
GRANT CREATE TEMPORARY TABLES ON shop.* TO backfill@'%';

-- optional triggers: the plan sees which triggers a job fires
GRANT TRIGGER ON shop.orders TO backfill@'%';

-- optional sight: other sessions, transactions, who waits for whom
GRANT PROCESS ON *.* TO backfill@'%';
GRANT SELECT ON performance_schema.* TO backfill@'%';

-- optional replicas: on each replica, why it stands still
GRANT REPLICATION CLIENT ON *.* TO backfill@'%';

-- optional discovery: replicas = auto asks the primary for their addresses
GRANT REPLICATION SLAVE ON *.* TO backfill@'%';
