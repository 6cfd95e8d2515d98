/* Who asks. From the connection (a unix socket), a token or a cookie, before a handler runs; then what the role allows. */
#ifndef BF_HTTP_IDENTIFY_H
#define BF_HTTP_IDENTIFY_H

#include "server.h"
#include "sessions.h"
#include "throttle.h"

enum {
    BF_PROOFS_MAX = 256,           /* tokens that wait to be compared; more are answered BUSY */
    BF_PROOFS_OF_ADDRESS_MAX = 64, /* the same from one address, whose turns come one after the other */
    BF_PROOFS_AT_ONCE = 2,         /* on the thread pool, 19 MiB each */
    BF_NAMES_MAX = 64              /* users whose names are remembered */
};

/* What the server remembers about who asked. */
struct bf_http_doors {
    struct bf_proven { /* of each token of the file: what a right one looked like, so that it is compared once */
        bool known;
        unsigned char digest[BF_TOKEN_DIGEST];
    } *proven; /* owned; as many as there are tokens */
    struct bf_http_proof *proofs; /* list, oldest first */
    int proof_count, working;
    struct bf_throttle throttle;
    struct bf_sessions sessions;
    struct bf_known_user {
        uid_t uid;
        char name[BF_PEER_NAME_MAX];
    } users[BF_NAMES_MAX];
    size_t user_count, next_user;
};

/* proof.c: compares the token with the file on the thread pool, and lets who shows wrong ones wait. `proven` is called from the
 * loop; `token` is NULL where it is nobody's. Answers where too many wait. */
typedef void bf_http_proven(struct bf_http_request *request, const struct bf_token *token);
void bf_http_prove(struct bf_http_request *request, const char *token, bf_http_proven *proven);
/* Was it compared before? NULL: it has to be. At once. */
const struct bf_token *bf_http_proven_before(const struct bf_http *http, const char *token);
/* "10.0.0.7", "2001:db8:1:2::/64", "uid:1000": whom failures are counted against. */
void bf_http_address_of(const struct bf_http_request *request, char text[BF_ADDRESS_MAX]);

/* session.c: the token that the request's cookie stands for; NULL: there is none. */
const struct bf_token *bf_http_session(const struct bf_http_request *request, int64_t *ret_until);

#endif
