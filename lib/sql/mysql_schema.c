/* The control schema on the target, version 6: the database `backfilld`. DDL commits by itself here, so every statement
 * may be run again and the version is written last. Changes to come are additive only. */
#include "mysql_dialect.h"

#include <stddef.h>

#define TABLE_OPTIONS " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

const char *const bf_mysql_schema_ddl[] = {
    "CREATE DATABASE IF NOT EXISTS backfilld CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",

    "CREATE TABLE IF NOT EXISTS backfilld.meta ("
    "`key` VARCHAR(64) NOT NULL PRIMARY KEY, "
    "value VARCHAR(255) NOT NULL)" TABLE_OPTIONS,

    "CREATE TABLE IF NOT EXISTS backfilld.job ("
    "id VARCHAR(64) NOT NULL PRIMARY KEY, "
    "name VARCHAR(255) NOT NULL, "
    "document LONGTEXT NOT NULL, "
    "hash VARCHAR(64) NOT NULL, "
    "plan LONGTEXT, "
    "approver VARCHAR(255), "
    "state VARCHAR(32) NOT NULL, "
    "created_at DATETIME(6) NOT NULL, "
    "started_at DATETIME(6), "
    "updated_at DATETIME(6) NOT NULL, "
    "ended_at DATETIME(6))" TABLE_OPTIONS,

    "CREATE TABLE IF NOT EXISTS backfilld.checkpoint ("
    "job VARCHAR(64) NOT NULL, "
    "slice INT NOT NULL, "
    "epoch BIGINT NOT NULL DEFAULT 0, "
    "seq BIGINT NOT NULL DEFAULT 0, "
    "pass BIGINT NOT NULL DEFAULT 1, "
    "after MEDIUMTEXT, "
    "position MEDIUMTEXT, "
    "low MEDIUMTEXT, "
    "split INT NOT NULL DEFAULT 0, "
    "through MEDIUMTEXT, "
    "rows_scanned BIGINT NOT NULL DEFAULT 0, "
    "rows_changed BIGINT NOT NULL DEFAULT 0, "
    "rows_changed_counted TINYINT NOT NULL DEFAULT 1, "
    "batches BIGINT NOT NULL DEFAULT 0, "
    "batch_rows BIGINT NOT NULL, "
    "done TINYINT NOT NULL DEFAULT 0, "
    "identity VARCHAR(255) NOT NULL, "
    "definition VARCHAR(64) NOT NULL, "
    "owner VARCHAR(255) NOT NULL DEFAULT '', "
    "pass_rows_changed BIGINT NOT NULL DEFAULT 0, "
    "pass_found_before BIGINT, "
    "canary TINYINT NOT NULL DEFAULT 0, "
    "updated_at DATETIME(6) NOT NULL, "
    "PRIMARY KEY (job, slice))" TABLE_OPTIONS,

    "CREATE TABLE IF NOT EXISTS backfilld.control ("
    "job VARCHAR(64) NOT NULL PRIMARY KEY, "
    "name VARCHAR(255) NOT NULL, "
    "goal VARCHAR(16) NOT NULL DEFAULT 'run' CHECK (goal IN ('run', 'pause', 'abort')), "
    "changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))" TABLE_OPTIONS,

    /* Version 2: what replicas are measured by. */
    "CREATE TABLE IF NOT EXISTS backfilld.heartbeat ("
    "writer VARCHAR(64) NOT NULL PRIMARY KEY, "
    "number BIGINT NOT NULL, "
    "position BIGINT NOT NULL, "
    "written_at DATETIME(6) NOT NULL)" TABLE_OPTIONS,

    "INSERT INTO backfilld.control (job, name) VALUES ('*', 'all jobs') ON DUPLICATE KEY UPDATE name = name",

    "INSERT INTO backfilld.meta (`key`, value) SELECT 'identity', " BF_MYSQL_SERVER_IDENTITY
    " ON DUPLICATE KEY UPDATE value = value",

    /* Version 3: rows that others held when their batch was run; done later, and struck off by the same transaction. A key
     * may be longer than what an index holds, so the rows of a batch are numbered. */
    "CREATE TABLE IF NOT EXISTS backfilld.aside ("
    "job VARCHAR(64) NOT NULL, "
    "slice INT NOT NULL, "
    "seq BIGINT NOT NULL, "
    "number BIGINT NOT NULL, "
    "`key` MEDIUMTEXT NOT NULL, "
    "set_aside_at DATETIME(6) NOT NULL, "
    "PRIMARY KEY (job, slice, seq, number))" TABLE_OPTIONS,

    /* Version 4: changes that a way back did not take back, by their place in the job's journal. */
    "CREATE TABLE IF NOT EXISTS backfilld.conflict ("
    "job VARCHAR(64) NOT NULL, "
    "slice INT NOT NULL, "
    "seq BIGINT NOT NULL, "
    "part INT NOT NULL, "
    "place INT NOT NULL, "
    "`key` MEDIUMTEXT NOT NULL, "
    "kind VARCHAR(16) NOT NULL CHECK (kind IN ('changed', 'deleted', 'altered', 'refused')), "
    "found_at DATETIME(6) NOT NULL, "
    "PRIMARY KEY (job, slice, seq, part, place))" TABLE_OPTIONS,

    /* Version 5: rows that the server refused to change. */
    "CREATE TABLE IF NOT EXISTS backfilld.bad_row ("
    "job VARCHAR(64) NOT NULL, "
    "digest CHAR(64) NOT NULL, "
    "slice INT NOT NULL, "
    "seq BIGINT NOT NULL, "
    "`key` MEDIUMTEXT NOT NULL, "
    "error TEXT NOT NULL, "
    "`sqlstate` CHAR(5) NOT NULL, "
    "found_at DATETIME(6) NOT NULL, "
    "PRIMARY KEY (job, digest), KEY place (job, slice, seq))" TABLE_OPTIONS,

    /* Version 6: what else the state store alone knew of a job, for who adopts it when the store is lost. */
    "CREATE TABLE IF NOT EXISTS backfilld.job_record ("
    "job VARCHAR(64) NOT NULL PRIMARY KEY, "
    "record LONGTEXT NOT NULL, "
    "written_at DATETIME(6) NOT NULL)" TABLE_OPTIONS,

    "INSERT INTO backfilld.meta (`key`, value) VALUES ('schema_version', '6') ON DUPLICATE KEY UPDATE "
    "value = IF(CAST(value AS UNSIGNED) < 6, '6', value)",

    NULL};
