/* What the configuration says about who may do what. */
#ifndef BF_ACCESS_ACCESS_H
#define BF_ACCESS_ACCESS_H

#include "peer.h"
#include "tokens.h"

struct bf_access {
    char *tokens_file; /* owned; NULL: there are no tokens, and who reaches the daemon over TCP may do everything */
    struct bf_tokens tokens;
    struct bf_socket_roles socket_roles;
    bool metrics_need_viewer;
    const char *public_url; /* what a proxy in front of the daemon is called; NULL: there is none */
};

#endif
