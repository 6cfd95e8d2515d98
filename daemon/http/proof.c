/* Tokens that were not seen before are compared with the file on the thread pool, two at once, and one after the other from one
 * address. Whoever showed a wrong one waits for the answer, and so do those behind it. */
#include <arpa/inet.h>
#include <string.h>

#include "allocate.h"
#include "identify.h"

enum proof_phase { QUEUED, WORKING, WAITING /* a wrong one, for its answer */, CLOSING };

struct bf_http_proof {
    struct bf_http_proof *previous, *next;
    struct bf_http *http; /* NULL: it is gone */
    struct bf_http_wait *wait;
    enum proof_phase phase;
    uv_work_t work;
    uv_timer_t timer;
    char *token, *hash; /* owned; the first is overwritten when it is freed */
    char name[BF_TOKEN_NAME_MAX + 1]; /* whose it says it is; "": it is no token */
    bool good;
    char address[BF_ADDRESS_MAX];
    bf_http_proven *proven;
};

static void advance(struct bf_http *http);

void bf_http_address_of(const struct bf_http_request *request, char text[BF_ADDRESS_MAX])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    const struct bf_peer *peer = bf_http_connection_of(request)->peer;
    char shown[INET6_ADDRSTRLEN] = "";
    if (peer) {
        snprintf(text, BF_ADDRESS_MAX, "uid:%u", (unsigned)peer->uid);
    } else if (address && address->sa_family == AF_INET6) {
        /* Who has one address of such a network has all of them. */
        struct in6_addr network = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        if (!IN6_IS_ADDR_V4MAPPED(&network)) memset(network.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &network, shown, sizeof shown);
        snprintf(text, BF_ADDRESS_MAX, "%s%s", shown, IN6_IS_ADDR_V4MAPPED(&network) ? "" : "/64");
    } else if (address && address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, shown, sizeof shown);
        snprintf(text, BF_ADDRESS_MAX, "%s", shown);
    } else {
        snprintf(text, BF_ADDRESS_MAX, "unknown");
    }
}

static const struct bf_token *remembered(const struct bf_http *http, const char *token, const char *name)
{
    unsigned char digest[BF_TOKEN_DIGEST];
    const struct bf_token *row = bf_tokens_find(&http->access->tokens, name);
    if (!row) return NULL;
    const struct bf_proven *proven = &http->doors->proven[row - http->access->tokens.list];
    if (!proven->known) return NULL;
    bf_token_digest(token, digest);
    return bf_token_same_digest(proven->digest, digest) ? row : NULL;
}

const struct bf_token *bf_http_proven_before(const struct bf_http *http, const char *token)
{
    char name[BF_TOKEN_NAME_MAX + 1];
    return bf_token_name_of(token, name) ? remembered(http, token, name) : NULL;
}

/* ---- one after the other ---- */

static void on_closed(uv_handle_t *handle)
{
    struct bf_http_proof *proof = handle->data;
    bf_token_wipe(proof->token);
    free(proof->token);
    free(proof->hash);
    free(proof);
}

static void leave(struct bf_http_proof *proof)
{
    struct bf_http_doors *doors = proof->http->doors;
    if (proof->next) proof->next->previous = proof->previous;
    if (proof->previous)
        proof->previous->next = proof->next;
    else
        doors->proofs = proof->next;
    doors->proof_count--;
    proof->phase = CLOSING;
    uv_close((uv_handle_t *)&proof->timer, on_closed);
}

static void answer(struct bf_http_proof *proof, const struct bf_token *token)
{
    struct bf_http *http = proof->http;
    bf_http_proven *proven = proof->proven;
    struct bf_http_request *request = bf_http_wait_end(proof->wait);
    leave(proof);
    if (request) proven(request, token);
    advance(http);
}

static void on_waited(uv_timer_t *timer)
{
    answer(timer->data, NULL);
}

static void is_wrong(struct bf_http_proof *proof)
{
    struct bf_http *http = proof->http;
    uv_update_time(http->loop);
    int64_t delay = bf_throttle_failed(&http->doors->throttle, proof->address, (int64_t)uv_now(http->loop));
    proof->phase = WAITING;
    uv_timer_start(&proof->timer, on_waited, (uint64_t)delay, 0);
    if (http->token_refused) http->token_refused(http->argument, proof->address, proof->name);
}

static void is_right(struct bf_http_proof *proof, const struct bf_token *token)
{
    bf_throttle_succeeded(&proof->http->doors->throttle, proof->address);
    answer(proof, token);
}

static void on_work(uv_work_t *work)
{
    struct bf_http_proof *proof = work->data;
    proof->good = bf_token_matches(proof->token, proof->hash);
}

static void on_worked(uv_work_t *work, int status)
{
    struct bf_http_proof *proof = work->data;
    struct bf_http *http = proof->http;
    (void)status; /* it is never cancelled */
    if (!http) {
        uv_close((uv_handle_t *)&proof->timer, on_closed);
        return;
    }
    http->doors->working--;
    /* The file may be another one by now: what counts is that its line still has the hash that was compared. */
    const struct bf_token *token = http->access->tokens_file ? bf_tokens_find(&http->access->tokens, proof->name) : NULL;
    if (proof->good && token && strcmp(token->hash, proof->hash) == 0) {
        struct bf_proven *proven = &http->doors->proven[token - http->access->tokens.list];
        proven->known = true;
        bf_token_digest(proof->token, proven->digest);
        is_right(proof, token);
    } else {
        is_wrong(proof);
        advance(http);
    }
}

static void begin(struct bf_http_proof *proof)
{
    struct bf_http *http = proof->http;
    const struct bf_token *token = remembered(http, proof->token, proof->name);
    if (token) { /* compared for somebody before it in the line */
        is_right(proof, token);
        return;
    }
    if (!proof->name[0]) {
        is_wrong(proof);
        return;
    }
    token = bf_tokens_find(&http->access->tokens, proof->name);
    /* A name that nobody has takes as long as one that somebody has. */
    proof->hash = bf_copy_string(token ? token->hash : bf_token_nobody());
    proof->phase = WORKING;
    http->doors->working++;
    if (uv_queue_work(http->loop, &proof->work, on_work, on_worked) != 0) abort(); /* no function: never */
}

static bool is_first_of_address(const struct bf_http_proof *proof)
{
    for (const struct bf_http_proof *each = proof->previous; each; each = each->previous)
        if (strcmp(each->address, proof->address) == 0) return false;
    return true;
}

static struct bf_http_proof *next_one(const struct bf_http *http)
{
    struct bf_http_proof *proof = http->doors->working < BF_PROOFS_AT_ONCE ? http->doors->proofs : NULL;
    while (proof && (proof->phase != QUEUED || !is_first_of_address(proof))) proof = proof->next;
    return proof;
}

static void advance(struct bf_http *http)
{
    struct bf_http_proof *proof;
    while ((proof = next_one(http))) begin(proof); /* what is right at once comes back here */
}

static int waiting_from(const struct bf_http *http, const char *address)
{
    int count = 0;
    for (const struct bf_http_proof *each = http->doors->proofs; each; each = each->next)
        count += strcmp(each->address, address) == 0;
    return count;
}

void bf_http_prove(struct bf_http_request *request, const char *token, bf_http_proven *proven)
{
    struct bf_http *http = request->http;
    struct bf_http_doors *doors = http->doors;
    char address[BF_ADDRESS_MAX];
    bf_http_address_of(request, address);
    if (doors->proof_count >= BF_PROOFS_MAX) {
        bf_http_problem(request, BF_BUSY, "too many tokens wait to be looked at; try again");
        return;
    }
    if (waiting_from(http, address) >= BF_PROOFS_OF_ADDRESS_MAX) {
        bf_http_problem(request, BF_TOO_MANY_FAILURES, "%s has shown wrong tokens, and %d requests of it wait for that", address,
                        BF_PROOFS_OF_ADDRESS_MAX);
        return;
    }
    struct bf_http_proof *proof = BF_NEW(struct bf_http_proof), *last = doors->proofs;
    proof->http = http;
    proof->wait = bf_http_wait_begin(request);
    proof->token = bf_copy_string(token);
    proof->proven = proven;
    memcpy(proof->address, address, sizeof proof->address);
    if (!bf_token_name_of(token, proof->name)) proof->name[0] = '\0';
    uv_timer_init(http->loop, &proof->timer);
    proof->work.data = proof->timer.data = proof;
    while (last && last->next) last = last->next;
    proof->previous = last;
    if (last)
        last->next = proof;
    else
        doors->proofs = proof;
    doors->proof_count++;
    advance(http);
}

void bf_http_proofs_drop(struct bf_http *http)
{
    struct bf_http_doors *doors = http->doors;
    while (doors->proofs) {
        struct bf_http_proof *proof = doors->proofs;
        bool works = proof->phase == WORKING;
        doors->proofs = proof->next;
        bf_http_wait_end(proof->wait); /* its request was answered before */
        proof->http = NULL;
        if (!works) uv_close((uv_handle_t *)&proof->timer, on_closed);
    }
    doors->proof_count = 0;
}
