/* The URL of a MySQL target: what it gives, and what is no URL of one. */
#include "unit.h"

#include <string.h>

#include "allocate.h"
#include "mysql_database.h"
#include "mysql_session.h"

static void everything_in_one(void **state)
{
    (void)state;
    const char *fault;
    struct bf_mysql_url *url = bf_mysql_url_parse(
        "mysql://b%40x@db7,[::1]:3307,10.0.0.1:65535/le%2dgacy?ssl-mode=VERIFY_IDENTITY&ssl-ca=/a%20b&ssl-cert=/c&ssl-key=/k",
        &fault);
    assert_non_null(url);
    assert_null(fault);
    assert_string_equal(url->user, "b@x");
    assert_string_equal(url->database, "le-gacy");
    assert_int_equal(url->host_count, 3);
    assert_string_equal(url->hosts[0].name, "db7");
    assert_int_equal(url->hosts[0].port, 3306);
    assert_string_equal(url->hosts[1].name, "::1");
    assert_int_equal(url->hosts[1].port, 3307);
    assert_int_equal(url->hosts[2].port, 65535);
    assert_int_equal(url->ssl, BF_MYSQL_SSL_VERIFY_IDENTITY);
    assert_string_equal(url->ssl_ca, "/a b");
    assert_string_equal(url->ssl_cert, "/c");
    assert_string_equal(url->ssl_key, "/k");
    assert_null(url->socket);
    bf_mysql_url_free(url);
}

static void least(void **state)
{
    (void)state;
    const char *fault;
    struct bf_mysql_url *url = bf_mysql_url_parse("mariadb://u@h/d?socket=/run/x.sock", &fault);
    assert_non_null(url);
    assert_int_equal(url->ssl, BF_MYSQL_SSL_PREFERRED);
    assert_string_equal(url->socket, "/run/x.sock");
    bf_mysql_url_free(url);
}

static void faults(void **state)
{
    (void)state;
    static const struct {
        const char *url, *words;
    } cases[] = {
        {"postgresql://u@h/d", "begin with"},
        {"mysql://u@h", "no database"},
        {"mysql://u@h/", "no database"},
        {"mysql://h/d", "no user"},
        {"mysql://@h/d", "no user"},
        {"mysql://u:p@h/d", "password_file"},
        {"mysql://u@h/d/e", "written as in a URL"},
        {"mysql://u%0@h/d", "written as in a URL"},
        {"mysql://u%00@h/d", "written as in a URL"},
        {"mysql://u@/d", "no name"},
        {"mysql://u@a,,b/d", "no name"},
        {"mysql://u@h:0/d", "port"},
        {"mysql://u@h:65536/d", "port"},
        {"mysql://u@h:x/d", "port"},
        {"mysql://u@a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q/d", "too many hosts"},
        {"mysql://u@h/d?password=x", "not known"},
        {"mysql://u@h/d?ssl-mode=maybe", "ssl-mode is one of"},
        {"mysql://u@h/d?ssl-mode=", "no value"},
        {"mysql://u@h/d?ssl-mode", "no value"},
        {"mysql://u@h/d?ssl-ca=/a&ssl-ca=/b&ssl-mode=verify_ca", "stands twice"},
        {"mysql://u@h/d?ssl-mode=verify_ca", "need ssl-ca"},
        {"mysql://u@h/d?ssl-mode=verify_identity", "need ssl-ca"},
        {"mysql://u@h/d?ssl-ca=/a", "ssl-ca needs"},
        {"mysql://u@h/d?ssl-ca=/a&ssl-mode=required", "ssl-ca needs"},
        {"mysql://u@h/d?ssl-cert=/a&ssl-mode=required", "go together"},
        {"mysql://u@h/d?ssl-key=/a&ssl-mode=required", "go together"},
        {"mysql://u@h/d?ssl-key=/a&ssl-cert=/b", "ssl-cert needs"},
        {"mysql://u@a,b/d?socket=/s", "a socket goes"},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        const char *fault = NULL;
        struct bf_mysql_url *url = bf_mysql_url_parse(cases[i].url, &fault);
        if (url || !strstr(fault, cases[i].words))
            fail_msg("%s: %s", cases[i].url, url ? "it passed" : fault);
    }
}

static void a_replica_takes_over_the_database(void **state)
{
    (void)state;
    static const struct {
        const char *url, *primary, *whole;
    } cases[] = {
        {"mysql://u@r", "mysql://v@p/d", "mysql://u@r/d"},
        {"mysql://u@r:3307?ssl-mode=required", "mysql://v@p,q:3307/a%20b?socket=/s", "mysql://u@r:3307/a%20b?ssl-mode=required"},
        {"mariadb://u@r/own?ssl-mode=required", "mysql://v@p/d", "mariadb://u@r/own?ssl-mode=required"},
    };
    char fault[200];
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        BF_AUTO_STRING char *whole = bf_mysql_replica_url(cases[i].url, cases[i].primary);
        assert_string_equal(whole, cases[i].whole);
        assert_true(bf_mysql_valid_replica(cases[i].url, fault, sizeof fault));
    }
    assert_false(bf_mysql_valid_replica("mysql://u@a,b/d", fault, sizeof fault));
    assert_non_null(strstr(fault, "several hosts"));
    assert_false(bf_mysql_valid_replica("mysql://u:secret@a", fault, sizeof fault));
    assert_null(strstr(fault, "secret"));
}

static void another_host_of_the_same_kind(void **state)
{
    (void)state;
    static const struct {
        const char *primary, *address, *whole;
    } cases[] = {
        {"mysql://u@p/d", "r:3307", "mysql://u@r:3307/d"},
        {"mariadb://u%40x@p,q:3307/a%20b?socket=/s&ssl-mode=required", "[::1]:3306", "mariadb://u%40x@[::1]:3306/a%20b?ssl-mode=required"},
        {"mysql://u@localhost/d?ssl-mode=required&socket=/s&ssl-cert=/c", "r:1", "mysql://u@r:1/d?ssl-mode=required&ssl-cert=/c"},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        BF_AUTO_STRING char *whole = bf_mysql_url_at(cases[i].primary, cases[i].address);
        assert_string_equal(whole, cases[i].whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_in_one),
        cmocka_unit_test(least),
        cmocka_unit_test(faults),
        cmocka_unit_test(another_host_of_the_same_kind),
        cmocka_unit_test(a_replica_takes_over_the_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
