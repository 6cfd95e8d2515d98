/* The configuration: every fault with its line, all at once; the sample is at the defaults; nothing tells a secret. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate.h"
#include "config.h"
#include "document_table.h"

#define TARGET "[target shop]\nprimary = postgresql://backfill@db1/shop\n"

static bool parse(const char *text, struct bf_config **ret_config, struct bf_faults *faults)
{
    memset(faults, 0, sizeof *faults);
    *ret_config = NULL;
    return bf_config_parse(text, strlen(text), ret_config, faults);
}

/* Exactly one fault, on that line, with that part in its text. */
static void expect_fault(const char *text, int line, const char *part)
{
    struct bf_config *config;
    struct bf_faults faults;

    if (parse(text, &config, &faults))
        fail_msg("no fault in:\n%s", text);
    assert_null(config);
    if (faults.total != 1 || faults.list[0].line != line || !strstr(faults.list[0].text, part)) {
        bf_faults_print(&faults, "config", stderr);
        fail_msg("expected one fault on line %d with \"%s\" in:\n%s", line, part, text);
    }
    bf_faults_clear(&faults);
}

static const struct {
    const char *text;
    int line;
    const char *part;
} faulty[] = {
    /* form */
    {"[daemon]\n\nnonsense\n", 3, "neither"},
    {"[daemon\n", 1, "\"]\""},
    {"[daemon] x = 1\n", 1, "may follow"},
    {"listen = 127.0.0.1:1\n", 1, "before the first section"},
    {"[daemon]\n; a comment\n# another\nlisten =\n", 4, "no value"},
    {"[daemon]\nlisten = ; where\n", 2, "no value"},
    {"[daemon]\nlisten = 127.0.0.1:1\nlisten = 127.0.0.1:2\n", 3, "line 2"},
    {"[daemon]\n[daemon]\n", 2, "line 1"},
    {TARGET TARGET, 3, "line 1"},
    {"[deamon]\nlisten = 127.0.0.1:1\n", 1, "[deamon]"},
    {"[daemon]\nlisten_on = 127.0.0.1:1\n", 2, "did you mean \"listen\""},
    {TARGET "maxjobs = 2\n", 3, "did you mean \"max_jobs\""},
    {TARGET "colour = red\n", 3, "\"colour\" is not known in [target]"},
    {"[daemon]\nmax_jobs = 2\n", 2, "\"max_jobs\" is not known in [daemon]"},
    {"[daemon]\n = 2\n", 2, "a key is missing in front of \"=\""},
    /* listen */
    {"[daemon]\nlisten = 8420\n", 2, "such as 127.0.0.1:8420"},
    {"[daemon]\nlisten = :8420\n", 2, "such as"},
    {"[daemon]\nlisten = localhos:8420\n", 2, "such as"},
    {"[daemon]\nlisten = ::1:8420\n", 2, "such as"},
    {"[daemon]\nlisten = [::1:8420\n", 2, "such as"},
    {"[daemon]\nlisten = []:8420\n", 2, "such as"},
    {"[daemon]\nlisten = 127.0.0.1:\n", 2, "not a port"},
    {"[daemon]\nlisten = 127.0.0.1:65536\n", 2, "not a port"},
    {"[daemon]\nlisten = 127.0.0.1:+1\n", 2, "not a port"},
    {"[daemon]\nlisten = 0.0.0.0:8420\n", 2, "from outside"},
    {"[daemon]\nlisten = 10.0.0.1:8420\n", 2, "from outside"},
    {"[daemon]\nlisten = [::]:8420\n", 2, "from outside"},
    {"[daemon]\nlisten = [2001:db8::1]:8420\n", 2, "from outside"},
    {"[daemon]\nlisten = unix:run/api.sock\n", 2, "begin with"},
    {"[daemon]\nlisten = unix:/123456789012345678901234567890123456789012345678901234567890"
     "12345678901234567890123456789012345678901234567\n", 2, "107 bytes"},
    /* state */
    {"[daemon]\nstate = /var/lib/state.db\n", 2, "sqlite:"},
    {"[daemon]\nstate = postgresql://db/state\n", 2, "sqlite:"},
    {"[daemon]\nstate = sqlite:state.db\n", 2, "begin with"},
    /* jobs */
    {"[daemon]\nkeep_jobs = 180\n", 2, "not a duration"},
    {"[daemon]\nkeep_jobs = 999ms\n", 2, "at least 1s"},
    {"[daemon]\njobs = jobs.d\n", 2, "begins with"},
    {"[daemon]\njobs = /nonexistent/jobs.d\n", 2, "No such file"},
    {"[daemon]\njobs = /dev/null\n", 2, "not a directory"},
    /* targets */
    {"[target shop]\nmax_jobs = 2\n", 1, "no \"primary\""},
    {"[target]\n", 1, "needs a name"},
    {"[target Shop]\n", 1, "a-z"},
    {"[target a b]\n", 1, "a-z"},
    {"[target shop]\nprimary =\n", 2, "no value"},
    {"[target shop]\nprimary = mysql://db/shop\n", 2, "names no user"},
    {"[target shop]\nprimary = host=db1 dbname=shop\n", 2, "postgresql://"},
    {"[target shop]\nprimary = postgresql://db1/shop?no_such=1\n", 2, "no_such"},
    {"[target shop]\nprimary = postgresql://db1/shop%zz\n", 2, "libpq"},
    {"[target shop]\nprimary = postgresql://db1:abc/shop\n", 2, "\"abc\" is not a port"},
    {"[target shop]\nprimary = postgresql://db1:1,db2:0/shop\n", 2, "\"0\" is not a port"},
    {"[target shop]\nprimary = postgresql:///shop?port=99999\n", 2, "\"99999\" is not a port"},
    {"[target shop]\nprimary = postgresql://db1/shop?sslmode=on\n", 2, "sslmode is one of disable, allow, prefer"},
    {"[target shop]\nprimary = postgresql://db1/shop?target_session_attrs=rw\n", 2, "is one of any, read-write"},
    {TARGET "max_jobs = 0\n", 3, "1 to 64"},
    {TARGET "max_jobs = 65\n", 3, "1 to 64"},
    {TARGET "max_jobs = 2x\n", 3, "1 to 64"},
    {TARGET "max_jobs = -1\n", 3, "1 to 64"},
    {TARGET "max_jobs = 99999999999999999999\n", 3, "1 to 64"},
    {TARGET "require_approval = some\n", 3, "all, yellow, red, none"},
    {TARGET "password_file = pw\n", 3, "begins with"},
    {TARGET "password_file = /nonexistent/pw\n", 3, "No such file"},
    {TARGET "password_file = credential:../pw\n", 3, "file name"},
    {TARGET "password_file = /\n", 3, "not a file"},
    /* known, not built */
    {"[daemon]\ntokens = tokens\n", 2, "begins with"},
    {"[daemon]\ntokens = /no/such/file\n", 2, "/no/such/file: cannot be read"},
    {"[daemon]\nsocket_roles = *=king\n", 2, "king is no role"},
    {"[daemon]\nmetrics_role = admin\n", 2, "none or viewer"},
    {"[daemon]\nkeep_undo = 7\n", 2, "not a duration"},
    {TARGET "plan_window = 6s\n", 3, "10ms to 5s"},
    {TARGET "plan_window = 1\n", 3, "10ms to 5s"},
    {TARGET "risk.row = 1\n", 3, "risk.small, risk.rows"},
    {TARGET "risk.rows = 1e6\n", 3, "not a number"},
    {TARGET "risk.duration = 8\n", 3, "8h"},
    {TARGET "replicas = yes\n", 3, "\"none\", \"auto\" or URLs: number 1"},
    {TARGET "replicas = postgresql://db2/shop, db3\n", 3, "number 1 has a blank in it (behind a comma comes another URL"},
    {TARGET "replicas = postgresql://db2/shop, postgresql://db3:x/shop\n", 3, "number 2: \"x\" is not a port"},
    {TARGET "replicas = postgresql://db2/shop, postgresql://db3/shop?no_such=1\n", 3, "number 2"},
    {TARGET "replicas = postgresql://db2/shop, mysql://u@db3/shop\n", 3, "number 2 is of another engine"},
    {"[target shop]\nreplicas = mysql://u@db2,db3/shop\nprimary = mysql://u@db1/shop\n", 2, "several hosts"},
    {"[target shop]\nreplicas = mysql://u@db2?ssl-mode=maybe\nprimary = mysql://u@db1/shop\n", 2, "ssl-mode is one of"},
    {"[target shop]\nreplicas = postgresql://u@db2/shop\nprimary = mysql://u@db1/shop\n", 2, "of another engine"},
    {TARGET "two_person = yellow\n", 3, "none, red, all"},
    {TARGET "limits.bad_rows = -5\n", 3, "must be from 0"},
    {TARGET "ceiling.active_sessions = null\n", 3, "no ceiling"},
    /* defaults and ceilings: by the tables of the document */
    {TARGET "limits.lock_timeout = 1\n", 3, "must be a duration"},
    {TARGET "limits.lock_timout = 1s\n", 3, "did you mean `lock_timeout`"},
    {TARGET "limits.lock_timeout = 2h\n", 3, "from 1 ms to"},
    {TARGET "limits.lock_timeout = 1s\nlimits.lock_timeout = 1s\n", 4, "line 3"},
    {TARGET "limits. = 1s\n", 3, "unknown field"},
    {TARGET "pace.batch_rows = 5\n", 3, "pace.batch_rows.start"},
    {TARGET "pace.batch_rows.max = 1e3\n", 3, "whole number"},
    {TARGET "pace.batch_rows.max = \xff\n", 3, "UTF-8"},
    {TARGET "pace.no.such = 5\n", 3, "no such field"},
    {TARGET "pace.slices = 17\n", 3, "from 1 to 16"},
    {TARGET "pace.slices = 4\nceiling.slices = 2\n", 3, "on line 4"},
    {TARGET "pace.nice = -1\n", 3, "from 0 to 100"},
    {TARGET "ceiling.nice = 1\n", 3, "gentler"},
    {TARGET "ceiling.batch_time = 70s\n", 3, "from 1 ms to"},
    {TARGET "ceiling.batch_time = 1s\nceiling.pace.batch_time = 1s\n", 4, "line 3"},
    {TARGET "limits.statement_timeout = 1m\nceiling.statement_timeout = 30s\n", 3, "on line 4"},
    {TARGET "pace.batch_rows.min = 100\nceiling.batch_rows.max = 50\n", 4, "min <= start <= max"},
    {TARGET "ceiling.statement_timeout = 100ms\n", 3, "every batch would be taken back"},
};

static void each_fault_has_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < BF_COUNT(faulty); i++)
        expect_fault(faulty[i].text, faulty[i].line, faulty[i].part);
}

static void all_faults_come_at_once_in_order(void **state)
{
    struct bf_config *config;
    struct bf_faults faults;
    BF_AUTO_STRING char *printed = NULL;
    size_t length;
    FILE *stream = open_memstream(&printed, &length);

    (void)state;
    assert_false(parse("[target one]\nmax_jobs = 99\n[daemon]\nlisten = 1\nstat = x\nnonsense", &config, &faults));
    bf_faults_print(&faults, "b.ini", stream);
    fclose(stream);
    assert_int_equal(faults.total, 5);
    static const char *const begin[] = {"b.ini:1: ", "b.ini:2: ", "b.ini:4: ", "b.ini:5: ", "b.ini:6: "};
    char *line = printed;
    for (size_t i = 0; i < BF_COUNT(begin); i++) {
        assert_int_equal(strncmp(line, begin[i], strlen(begin[i])), 0);
        line = strchr(line, '\n') + 1;
    }
    assert_string_equal(line, "");
    bf_faults_clear(&faults);
}

static void too_many_faults_are_counted(void **state)
{
    struct bf_config *config;
    struct bf_faults faults;
    char text[64 + 200 * 4] = "[daemon]\n";
    BF_AUTO_STRING char *printed = NULL;
    size_t length;
    FILE *stream = open_memstream(&printed, &length);

    (void)state;
    for (int i = 0; i < 150; i++)
        memcpy(text + 9 + 4 * i, "x=1\n", 5);
    assert_false(parse(text, &config, &faults));
    assert_int_equal(faults.total, 150);
    assert_int_equal(faults.count, BF_FAULTS_MAX);
    bf_faults_print(&faults, "b.ini", stream);
    fclose(stream);
    assert_non_null(strstr(printed, "and 50 more"));
    bf_faults_clear(&faults);
}

static void passwords_are_refused_and_not_shown(void **state)
{
    static const char *const urls[] = {
        "postgresql://u:hunter2@db1/shop",        "postgresql://u:hun/hunter2@db1/shop",
        "postgresql://u:hunter2%@db1/shop",       "postgresql://u:%zzhunter2@db1,db2/shop?connect_timeout=3",
        "postgresql://db1/shop?password=hunter2", "postgresql://db1/shop?user=u&PassWord=hunter2",
        "postgresql://u:hunter?hunter2@db1/shop", "postgresql://db1/shop?sslpassword=hunter2",
        "postgresql://db1/shop?%70assword=hunter2", "postgres://u:hunter2@[::1]:5432/shop",
    };

    (void)state;
    for (size_t i = 0; i < 2 * BF_COUNT(urls); i++) {
        BF_AUTO_STRING char *text = bf_format("[target shop]\n%s%s\n%s", i % 2 ? "replicas = postgresql://r/shop, " : "primary = ",
                                              urls[i / 2], i % 2 ? "primary = postgresql://p/shop\n" : "");
        struct bf_config *config;
        struct bf_faults faults;
        if (parse(text, &config, &faults))
            fail_msg("accepted: %s", urls[i / 2]);
        assert_int_equal(faults.total, 1);
        assert_int_equal(faults.list[0].line, 2);
        assert_null(strstr(faults.list[0].text, "hunter2"));
        bf_faults_clear(&faults);
    }
}

static void what_is_good_is_taken(void **state)
{
    static const char text[] = "\xef\xbb\xbf; comment\r\n[daemon]\r\n  listen = unix:/run/b/api.sock ; inline\r\n"
                               "state: sqlite:/tmp/s.db\r\n"
                               "[ignored comment follows below]\n";
    struct bf_config *config;
    struct bf_faults faults;
    BF_AUTO_STRING char *good = bf_format("%.*s%s", (int)(strstr(text, "[ignored") - text), text,
                                          "[target  a.b-c_9]\nprimary = postgresql:///shop?host=/tmp/x&port=5433\n"
                                          "max_jobs = 64\nrequire_approval = none\nreplicas = none\n"
                                          "[target two] ; the other\nprimary=postgres://u@h1:1,h2:2/db?target_session_attrs=read-write");

    (void)state;
    if (!parse(good, &config, &faults)) {
        bf_faults_print(&faults, "good", stderr);
        fail();
    }
    assert_string_equal(config->listen, "unix:/run/b/api.sock");
    assert_string_equal(config->state, "/tmp/s.db");
    assert_int_equal(config->target_count, 2);
    assert_string_equal(config->targets[0].name, "a.b-c_9");
    assert_string_equal(config->targets[0].primary, "postgresql:///shop?host=/tmp/x&port=5433");
    assert_null(config->targets[0].password_file);
    assert_int_equal(config->targets[0].max_jobs, 64);
    assert_int_equal(config->targets[0].require_approval, BF_APPROVAL_NONE);
    assert_int_equal(config->targets[0].replicas.count, 0);
    assert_string_equal(config->targets[0].replicas.text, "none");
    assert_null(config->targets[1].replicas.text);
    assert_int_equal(config->targets[1].max_jobs, 2);
    assert_int_equal(config->targets[1].require_approval, BF_APPROVAL_ALL);
    bf_config_free(config);
}

static void a_replica_of_mysql_needs_no_database(void **state)
{
    (void)state;
    static const char text[] = "[target shop]\nprimary = mysql://u@db1/shop\nreplicas = mysql://u@db2:3307, mariadb://u@db3/shop\n";
    struct bf_faults faults = {0};
    struct bf_config *config;
    assert_true(bf_config_parse(text, sizeof text - 1, &config, &faults));
    const struct bf_replicas *replicas = &config->targets[0].replicas;
    assert_int_equal(replicas->count, 2);
    assert_string_equal(replicas->urls[0], "mysql://u@db2:3307");
    assert_string_equal(replicas->urls[1], "mariadb://u@db3/shop");
    bf_config_free(config);
}

static void replicas_are_named_one_by_one(void **state)
{
    static const char text[] = "[target shop]\nprimary = postgresql://db1,db2/shop\n"
                               "replicas = postgresql://u@db2,db3:5433/shop , postgres://db4/shop,postgresql:///shop?host=/run/x\n"
                               "[target other]\nprimary = postgresql://db1/other\nreplicas = auto\n";
    struct bf_config *config;
    struct bf_faults faults;

    (void)state;
    assert_true(parse(text, &config, &faults));
    const struct bf_replicas *replicas = &config->targets[0].replicas;
    assert_int_equal(replicas->count, 3);
    assert_string_equal(replicas->urls[0], "postgresql://u@db2,db3:5433/shop");
    assert_string_equal(replicas->urls[1], "postgres://db4/shop");
    assert_string_equal(replicas->urls[2], "postgresql:///shop?host=/run/x");
    assert_int_equal(config->targets[1].replicas.count, 0);
    assert_string_equal(config->targets[1].replicas.text, "auto");
    bf_config_free(config);
}

static void addresses_of_this_machine_are_taken(void **state)
{
    static const char *const good[] = {"127.0.0.1:0", "127.1.2.3:65535", "localhost:8420", "[::1]:8420", "unix:/x"};

    (void)state;
    for (size_t i = 0; i < BF_COUNT(good); i++) {
        BF_AUTO_STRING char *text = bf_format("[daemon]\nlisten = %s\n", good[i]);
        struct bf_config *config;
        struct bf_faults faults;
        assert_true(parse(text, &config, &faults));
        assert_string_equal(config->listen, good[i]);
        bf_config_free(config);
    }
}

static void password_files_of_everyone_are_refused(void **state)
{
    char path[] = "/tmp/backfilld-password-XXXXXX";
    int descriptor = mkstemp(path);
    BF_AUTO_STRING char *text = bf_format(TARGET "password_file = %s\n", path);
    struct bf_config *config;
    struct bf_faults faults;

    (void)state;
    assert_true(descriptor >= 0);
    assert_int_equal(fchmod(descriptor, 0644), 0);
    expect_fault(text, 3, "chmod 600");
    assert_int_equal(fchmod(descriptor, 0600), 0);
    assert_true(parse(text, &config, &faults));
    assert_string_equal(config->targets[0].password_file, path);
    bf_config_free(config);
    close(descriptor);
    unlink(path);
}

static void odd_bytes_are_faults(void **state)
{
    static const char nul[] = "[daemon]\nlisten = 127.0.0.1:1\0x\n";
    struct bf_config *config;
    struct bf_faults faults = {0};
    BF_AUTO_STRING char *text = bf_allocate(8192);

    (void)state;
    assert_false(bf_config_parse(nul, sizeof nul - 1, &config, &faults));
    assert_int_equal(faults.total, 1);
    assert_int_equal(faults.list[0].line, 2);
    bf_faults_clear(&faults);

    memset(text, 'x', 5000);
    memcpy(text, "[daemon]\n", 9);
    memcpy(text + 5000, "\nlisten = nowhere\n", 19);
    assert_false(parse(text, &config, &faults));
    assert_int_equal(faults.total, 2);
    assert_int_equal(faults.list[0].line, 2);
    assert_non_null(strstr(faults.list[0].text, "too long"));
    assert_int_equal(faults.list[1].line, 3);
    bf_faults_clear(&faults);

    expect_fault("[daemon]\nli\x1b[31msten = 1\n", 2, "li?[31msten");
}

static void too_many_targets(void **state)
{
    BF_AUTO_STRING char *text = bf_allocate(65 * 80);
    size_t length = 0;
    struct bf_config *config;
    struct bf_faults faults;

    (void)state;
    for (int i = 1; i <= 65; i++) {
        if (i == 65) {
            assert_true(parse(text, &config, &faults));
            assert_int_equal(config->target_count, 64);
            bf_config_free(config);
        }
        length += (size_t)snprintf(text + length, 80, "[target t%d]\nprimary = postgresql://db/t%d\n", i, i);
    }
    expect_fault(text, 129, "limit 64");
}

static void a_file_that_cannot_be_read(void **state)
{
    struct bf_config *config = NULL;
    struct bf_faults faults = {0};

    (void)state;
    assert_false(bf_config_load("/nonexistent/b.ini", &config, &faults));
    assert_int_equal(faults.list[0].line, 0);
    assert_non_null(strstr(faults.list[0].text, "No such file"));
    bf_faults_clear(&faults);
    assert_false(bf_config_load("/tmp", &config, &faults));
    assert_int_equal(faults.total, 1);
    bf_faults_clear(&faults);
    assert_false(bf_config_load("/dev/zero", &config, &faults));
    assert_non_null(strstr(faults.list[0].text, "limit 1 MiB"));
    bf_faults_clear(&faults);
}

/* Every field that a target may have a say in, at the default of the document's tables. */
static void the_sample_has_every_rule(const char *text)
{
    const struct bf_section *section;
    int seen = 0;

    for (size_t i = 0; (section = bf_document_section(i)); i++)
        for (size_t k = 0; k < section->count; k++) {
            const struct bf_field *field = &section->fields[k];
            if (!field->place)
                continue;
            const char *standard = field->standard;
            size_t quotes = *standard == '"';
            BF_AUTO_STRING char *line =
                bf_format("\n;%s.%s = %.*s\n", section->pointer + 1, field->name,
                          (int)(strlen(standard) - 2 * quotes), standard + quotes);
            for (char *byte = line; *byte != ' '; byte++)
                if (*byte == '/')
                    *byte = '.';
            if (!strstr(text, line))
                fail_msg("not in the sample: %s", line + 1);
            seen++;
        }
    assert_in_range(seen, 7, 100);
}

/* Every built setting stands in the sample at its default, after a line that explains it; and the sample has no fault. */
static void the_sample_is_at_the_defaults(void **state)
{
    struct bf_config *config = NULL;
    struct bf_faults faults = {0};
    const struct bf_setting *setting;
    FILE *file = fopen(BF_SAMPLE, "r");
    BF_AUTO_STRING char *text = bf_allocate(65536);

    (void)state;
    assert_non_null(file);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    if (!bf_config_load(BF_SAMPLE, &config, &faults)) {
        bf_faults_print(&faults, BF_SAMPLE, stderr);
        fail();
    }
    for (size_t i = 0; (setting = bf_config_setting(i)); i++) {
        BF_AUTO_STRING char *line = setting->standard ? bf_format("\n%s = %s\n", setting->key, setting->standard)
                                                      : bf_format("\n%s = ", setting->key);
        BF_AUTO_STRING char *commented = bf_format("\n;%s = ", setting->key);
        BF_AUTO_STRING char *begins = bf_format("\n;%s", setting->key);
        const char *at = strstr(text, line);
        if (!at && !setting->standard)
            at = strstr(text, setting->key[strlen(setting->key) - 1] == '.' ? begins : commented);
        if ((at != NULL) != setting->built)
            fail_msg("%s: %s", setting->key, at ? "is not built, but in the sample" : "is not in the sample");
        if (!at)
            continue;
        const char *before = at;
        while (before > text && before[-1] != '\n')
            before--;
        BF_AUTO_STRING char *help = bf_format("; %s\n", setting->help);
        if (strncmp(before, help, strlen(help)) != 0)
            fail_msg("%s: the sample explains it by \"%.*s\", the table by \"%s\"", setting->key,
                     (int)strcspn(before, "\n"), before, setting->help);
    }
    the_sample_has_every_rule(text);
    /* The defaults that are used when the key is absent. */
    struct bf_config *bare;
    assert_true(parse(TARGET, &bare, &faults));
    assert_string_equal(bare->listen, config->listen);
    assert_string_equal(bare->state, config->state);
    assert_int_equal(bare->keep_jobs, config->keep_jobs);
    assert_int_equal(bare->targets[0].max_jobs, config->targets[0].max_jobs);
    assert_int_equal(bare->targets[0].require_approval, config->targets[0].require_approval);
    bf_config_free(bare);
    bf_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_line),
        cmocka_unit_test(all_faults_come_at_once_in_order),
        cmocka_unit_test(too_many_faults_are_counted),
        cmocka_unit_test(passwords_are_refused_and_not_shown),
        cmocka_unit_test(what_is_good_is_taken),
        cmocka_unit_test(replicas_are_named_one_by_one),
        cmocka_unit_test(a_replica_of_mysql_needs_no_database),
        cmocka_unit_test(addresses_of_this_machine_are_taken),
        cmocka_unit_test(password_files_of_everyone_are_refused),
        cmocka_unit_test(odd_bytes_are_faults),
        cmocka_unit_test(too_many_targets),
        cmocka_unit_test(a_file_that_cannot_be_read),
        cmocka_unit_test(the_sample_is_at_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
