/* Who may do what, alone: tokens and their hashes, roles, targets, users of the unix socket, sessions, and the wait for wrong ones. */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "allocate.h"
#include "identity.h"
#include "peer.h"
#include "sessions.h"
#include "throttle.h"

static void test_a_token(void **state)
{
    char one[BF_TOKEN_TEXT_MAX], other[BF_TOKEN_TEXT_MAX], hash[BF_TOKEN_HASH_MAX], again[BF_TOKEN_HASH_MAX];
    char name[BF_TOKEN_NAME_MAX + 1];
    (void)state;
    bf_token_make("ci.shop-1", one);
    bf_token_make("ci.shop-1", other);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), strlen("bft_ci.shop-1.") + 43);
    assert_true(bf_token_name_of(one, name));
    assert_string_equal(name, "ci.shop-1");
    assert_true(bf_token_hash(one, hash));
    assert_true(bf_token_hash(one, again));
    assert_string_not_equal(hash, again); /* each has a salt of its own */
    assert_true(bf_token_hash_valid(hash));
    assert_null(strstr(hash, one));
    assert_true(bf_token_matches(one, hash));
    assert_true(bf_token_matches(one, again));
    assert_false(bf_token_matches(other, hash));
    one[strlen(one) - 2] ^= 1;
    assert_false(bf_token_matches(one, hash));
}

static void test_what_is_no_token(void **state)
{
    static const char *const others[] = {"", "bft_", "bft_.", "bft_ci", "ci.abc", "BFT_ci.abc", "bft_.abc", "bft_c i.abc", "bft_a/b.abc",
                                         "bft_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.abc"};
    char name[BF_TOKEN_NAME_MAX + 1], longest[2 * BF_TOKEN_TEXT_MAX] = "bft_ci.";
    (void)state;
    for (size_t i = 0; i < BF_COUNT(others); i++)
        if (bf_token_name_of(others[i], name)) fail_msg("%s is taken for a token", others[i]);
    memset(longest + strlen(longest), 'a', BF_TOKEN_TEXT_MAX);
    assert_false(bf_token_name_of(longest, name));
    assert_true(bf_token_hash_valid(bf_token_nobody()));
    assert_false(bf_token_matches("bft_ci.abc", bf_token_nobody()));
    assert_false(bf_token_matches("", bf_token_nobody()));
}

static void test_a_token_within_a_text(void **state)
{
    static const char *const others[] = {"", "bft_", "bft_ci", "bft_ci.", "bft_ci.abc", "see bft_ci. and more of it",
                                         "bft_.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "orders-archive-2020"};
    char token[BF_TOKEN_TEXT_MAX];
    (void)state;
    bf_token_make("ci.shop-1", token);
    char *within BF_AUTO_STRING = bf_format("bft_bft_x. it was bft_y, then %s, I think", token);
    assert_true(bf_token_within(token));
    assert_true(bf_token_within(within));
    for (size_t i = 0; i < BF_COUNT(others); i++)
        if (bf_token_within(others[i])) fail_msg("%s is taken for a token", others[i]);
}

static void test_targets(void **state)
{
    struct bf_identity all = {.role = BF_ROLE_VIEWER}, some = {.role = BF_ROLE_VIEWER, .targets = (char *)(uintptr_t)"shop,legacy-2"};
    (void)state;
    assert_true(bf_identity_sees(&all, "anything"));
    assert_true(bf_identity_sees(&some, "shop"));
    assert_true(bf_identity_sees(&some, "legacy-2"));
    assert_false(bf_identity_sees(&some, "legacy"));
    assert_false(bf_identity_sees(&some, "sho"));
    assert_false(bf_identity_sees(&some, "shop,legacy-2"));
    assert_false(bf_identity_sees(&some, ""));
}

static void test_socket_roles(void **state)
{
    struct bf_socket_roles roles;
    gid_t groups[] = {4242, 77};
    struct bf_peer peer = {.uid = 4711, .groups = groups, .group_count = 2}, root = {.uid = 0}, own = {.uid = geteuid()};
    (void)state;
    assert_null(bf_socket_roles_parse("4711=viewer, @77=approver *=none", &roles));
    assert_int_equal(bf_socket_role_of(&roles, &peer), BF_ROLE_VIEWER); /* the first that fits */
    peer.uid = 4712;
    assert_int_equal(bf_socket_role_of(&roles, &peer), BF_ROLE_APPROVER);
    peer.group_count = 1;
    assert_int_equal(bf_socket_role_of(&roles, &peer), BF_ROLE_ANYONE);
    assert_int_equal(bf_socket_role_of(&roles, &root), BF_ROLE_ADMIN);
    assert_int_equal(bf_socket_role_of(&roles, &own), BF_ROLE_ADMIN);
    assert_null(bf_socket_roles_parse("root=viewer,@root=operator", &roles));
    assert_int_equal(roles.list[0].kind, BF_SOCKET_USER);
    assert_int_equal(roles.list[1].kind, BF_SOCKET_GROUP);
    assert_int_equal(bf_socket_role_of(&roles, &peer), BF_ROLE_ANYONE); /* nobody fits, and there is no * */
    static const struct {
        const char *text, *part;
    } faulty[] = {{"", "expected"}, {"ann", "expected"}, {"@=viewer", "expected"}, {"=viewer", "expected"}, {"root=king", "no role"},
                  {"no-such-user-here=viewer", "no user"}, {"@no-such-group-here=viewer", "no group"}, {"*=viewer, root=admin", "behind *"}};
    for (size_t i = 0; i < BF_COUNT(faulty); i++) {
        BF_AUTO_STRING char *fault = bf_socket_roles_parse(faulty[i].text, &roles);
        if (!fault || !strstr(fault, faulty[i].part)) fail_msg("%s: %s", faulty[i].text, fault ? fault : "no fault");
    }
}

static void test_a_peer(void **state)
{
    int ends[2];
    struct bf_peer peer;
    char name[BF_PEER_NAME_MAX];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_true(bf_peer_of(ends[0], &peer));
    assert_int_equal(peer.uid, getuid());
    assert_true(peer.group_count >= 1);
    assert_int_equal(peer.groups[0], getgid());
    bf_peer_clear(&peer);
    close(ends[0]);
    close(ends[1]);
    int tcp = socket(AF_INET, SOCK_STREAM, 0);
    assert_false(bf_peer_of(tcp, &peer));
    close(tcp);
    bf_peer_name(0, name);
    assert_string_equal(name, "root");
    bf_peer_name(3999999999U, name);
    assert_string_equal(name, "");
}

static void test_waits_grow(void **state)
{
    static const int64_t expected[] = {250, 500, 1000, 2000, 4000, 5000, 5000};
    struct bf_throttle throttle = {0};
    (void)state;
    for (size_t i = 0; i < BF_COUNT(expected); i++) assert_int_equal(bf_throttle_failed(&throttle, "10.0.0.7", 1000), expected[i]);
    assert_int_equal(bf_throttle_failed(&throttle, "10.0.0.8", 1000), 250); /* nobody pays for others */
    bf_throttle_succeeded(&throttle, "10.0.0.7");
    assert_int_equal(bf_throttle_failed(&throttle, "10.0.0.7", 1000), 250);
    assert_int_equal(bf_throttle_failed(&throttle, "10.0.0.8", 1000 + BF_THROTTLE_KEPT), 500);
    assert_int_equal(bf_throttle_failed(&throttle, "10.0.0.8", 1001 + 2 * BF_THROTTLE_KEPT), 250); /* forgotten */
    for (int i = 0; i < 3 * BF_THROTTLE_ADDRESSES; i++) {
        char address[BF_ADDRESS_MAX];
        snprintf(address, sizeof address, "2001:db8::%x/64", (unsigned)i);
        bf_throttle_failed(&throttle, address, 3 * BF_THROTTLE_KEPT + i);
    }
    assert_int_equal(throttle.count, BF_THROTTLE_ADDRESSES);
    assert_int_equal(bf_throttle_failed(&throttle, "2001:db8::bff/64", 3 * BF_THROTTLE_KEPT + 4000), 500); /* the newest are there */
    bf_throttle_clear(&throttle);
}

static void test_sessions(void **state)
{
    struct bf_token list[] = {{.name = (char *)(uintptr_t)"ann", .role = BF_ROLE_ADMIN, .hash = (char *)(uintptr_t)"one"},
                              {.name = (char *)(uintptr_t)"bob", .role = BF_ROLE_VIEWER, .hash = (char *)(uintptr_t)"two"}};
    struct bf_tokens tokens = {.list = list, .count = 2};
    struct bf_sessions sessions = {0};
    char ann[BF_TOKEN_TEXT_MAX], bob[BF_TOKEN_TEXT_MAX];
    int64_t until = 0, other = 0;
    const int64_t length = BF_SESSION_SECONDS * INT64_C(1000);
    (void)state;
    bf_sessions_add(&sessions, &list[0], 1000, ann);
    bf_sessions_add(&sessions, &list[1], 1000, bob);
    assert_int_equal(strlen(ann), 43);
    assert_ptr_equal(bf_sessions_find(&sessions, ann, &tokens, 1000, &until), &list[0]);
    assert_ptr_equal(bf_sessions_find(&sessions, bob, &tokens, 1000, &other), &list[1]);
    assert_int_equal(until, 1000 + length);
    assert_int_not_equal(other, until);
    assert_null(bf_sessions_find(&sessions, "", &tokens, 1000, &until));
    assert_non_null(bf_sessions_find(&sessions, ann, &tokens, 999 + length, &until));
    assert_null(bf_sessions_find(&sessions, ann, &tokens, 1000 + length, &until)); /* over */
    list[1].hash = (char *)(uintptr_t)"another";
    assert_null(bf_sessions_find(&sessions, bob, &tokens, 2000, &until)); /* his token is another one by now */
    bf_sessions_end(&sessions, ann);
    assert_null(bf_sessions_find(&sessions, ann, &tokens, 1000, &until));
    for (int i = 0; i < BF_SESSIONS_MAX + 5; i++) bf_sessions_add(&sessions, &list[0], 1000, ann);
    assert_int_equal(sessions.count, BF_SESSIONS_MAX);
    assert_non_null(bf_sessions_find(&sessions, ann, &tokens, 1000, &until));
    bf_sessions_add(&sessions, &list[0], 10000 + 2 * length, ann);
    assert_int_equal(sessions.count, 1); /* what is over makes place */
    bf_sessions_clear(&sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token),      cmocka_unit_test(test_what_is_no_token), cmocka_unit_test(test_a_token_within_a_text),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_socket_roles), cmocka_unit_test(test_a_peer),           cmocka_unit_test(test_waits_grow),
        cmocka_unit_test(test_sessions),
    };
    return bf_token_begin() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
