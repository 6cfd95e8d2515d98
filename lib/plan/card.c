#include "card.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "allocate.h"
#include "buffer.h"
#include "duration.h"
#include "quantity.h"
#include "state.h"

enum { TITLE = 12 /* columns of the title on the left */ };

/* ---- lines ---- */

/* Columns of UTF-8 text, one for each character: wide enough for what stands on a card. */
static size_t columns_of(const char *text, size_t length)
{
    size_t columns = 0;
    for (size_t i = 0; i < length; i++)
        columns += (text[i] & 0xC0) != 0x80;
    return columns;
}

/* Bytes of the first part that fits into `room` columns, ending before a space where there is one. */
static size_t part_of(const char *text, size_t room)
{
    size_t columns = 0, space = 0, at = 0;
    for (; text[at]; at++) {
        if ((text[at] & 0xC0) != 0x80 && columns++ == room)
            return space ? space : at;
        if (text[at] == ' ')
            space = at;
    }
    return at;
}

static void print(struct bf_buffer *page, const char *title, const char *mark, const char *text)
{
    BF_AUTO_STRING char *plain = bf_copy_string(text);
    for (char *at = plain; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7F)
            *at = ' ';
    const char *rest = plain;
    size_t indent = TITLE + columns_of(mark, strlen(mark));
    bool first = true;
    do {
        size_t length = part_of(rest, BF_CARD_COLUMNS - indent);
        bf_buffer_format(page, "%-*s", (int)TITLE, first ? title : "");
        bf_buffer_format(page, "%*s%.*s\n", (int)(indent - TITLE + strlen(mark) - columns_of(mark, strlen(mark))), first ? mark : "",
                         (int)length, rest);
        rest += length;
        while (*rest == ' ')
            rest++;
        first = false;
    } while (*rest);
}

static void __attribute__((format(printf, 4, 5))) line(struct bf_buffer *page, const char *title, const char *mark,
                                                       const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length >= 0)
        print(page, title, mark, text);
    free(text);
}

/* "1 row", "12 rows" */
static char *rows_text(double count, const char *what)
{
    BF_AUTO_STRING char *number = bf_quantity_count(count);
    return bf_format("%s %s%s", number, what, strcmp(number, "1") == 0 ? "" : "s");
}

static char *known(const struct bf_facts *facts, enum bf_fact_name name)
{
    const struct bf_fact *fact = &facts->of[name];
    return fact->known ? bf_fact_format(name, fact->value) : bf_copy_string("not measured");
}

static char *seconds_text(double seconds)
{
    char text[BF_DURATION_TEXT];
    return bf_copy_string(bf_duration_format((int64_t)(seconds * 1000), text));
}

/* ---- the parts of the page ---- */

/* As people call the server; what MariaDB and MySQL are to the program is one engine. */
static const char *server_name(const char *engine, const char *version)
{
    if (strcmp(engine, "postgresql") == 0)
        return "PostgreSQL";
    return version && strstr(version, "MariaDB") ? "MariaDB" : "MySQL";
}

static void migration(struct bf_buffer *page, const struct bf_card *card)
{
    const struct bf_document *document = card->document;
    line(page, "MIGRATION", "", "%s on %s: %s %s", document->name, document->target, server_name(card->engine, card->server_version),
         card->server_version ? card->server_version : "");
    if (document->description)
        print(page, "", "", document->description);
    print(page, "", "", card->statement ? card->statement : "");
    if (document->where)
        line(page, "", "", "where %s", document->where);
    if (document->remaining)
        line(page, "", "", "until none matches %s", document->remaining);
}

static void approval(struct bf_buffer *page, const struct bf_card *card)
{
    if (card->hash)
        line(page, "PLAN", "", "%s%s%s", card->hash, card->approver ? "; approved by " : "",
             card->approver ? card->approver : "");
    if (card->job)
        line(page, "JOB", "", "%s", card->job);
}

static void risk(struct bf_buffer *page, const struct bf_card *card)
{
    const struct bf_judgement *judgement = card->judgement;
    print(page, "RISK", "", bf_risk_name(judgement->risk));
    for (int class = BF_RISK_RED; class > BF_RISK_GREEN; class--)
        for (size_t i = 0; i < judgement->count; i++) {
            const struct bf_risk_reason *reason = &judgement->reasons[i];
            if ((int)reason->risk == class)
                line(page, "", class == BF_RISK_RED ? "RED    - " : "YELLOW - ", "%s: %s", reason->code, reason->text);
        }
    BF_AUTO_STRING char *accepted = bf_accept_list(card->document->accept);
    if (accepted)
        line(page, "", "", "accepted by the document: %s", accepted);
    for (size_t i = 0; i < judgement->unmeasured_count; i++) {
        const char *name = bf_fact_text(judgement->unmeasured[i]);
        enum bf_accept accept;
        if (!bf_accept_by_name(name, &accept) || !card->document->accept[accept])
            line(page, "", "", "REFUSED without a measurement of %s", name);
    }
}

/* "300 (counted)", "about 1,200,000" */
static char *rows_to_change(const struct bf_card *card)
{
    const struct bf_fact *exact = &card->facts->of[BF_FACT_MATCHING_EXACT];
    BF_AUTO_STRING char *count = bf_quantity_count(exact->known ? exact->value : card->estimate->changed);
    if (exact->known)
        return bf_format("%s (counted)", count);
    return card->estimate->changed >= 0 ? bf_format("about %s", count) : bf_copy_string("not known how many");
}

static void size(struct bf_buffer *page, const struct bf_card *card)
{
    const struct bf_fact *all = &card->facts->of[BF_FACT_ROWS];
    BF_AUTO_STRING char *rows = all->known ? rows_text(all->value, "row") : bf_copy_string("rows not measured"), *bytes = known(card->facts, BF_FACT_TABLE_BYTES);
    BF_AUTO_STRING char *changed = rows_to_change(card);
    BF_AUTO_STRING char *writes = known(card->facts, BF_FACT_WRITE_RATE);
    BF_AUTO_STRING char *replicas = known(card->facts, BF_FACT_REPLICAS), *lag = known(card->facts, BF_FACT_REPLICATION_LAG);
    line(page, "TABLE SIZE", "", "%s: %s, %s; rows to change: %s", card->table, rows, bytes, changed);
    const struct bf_fact *hot = &card->facts->of[BF_FACT_HOT], *fill = &card->facts->of[BF_FACT_FILL];
    if (hot->known && fill->known)
        line(page, "", "", "updates within the page (HOT): %s; inserts fill %.0f %% of a page", hot->value > 0 ? "where it has room" : "no",
             fill->value);
    bool none = card->facts->of[BF_FACT_REPLICAS].known && card->facts->of[BF_FACT_REPLICAS].value == 0;
    line(page, "WRITE QPS", "", "%s by others; replicas: %s%s%s", writes, none ? "none" : replicas, none ? "" : ", the furthest behind by: ",
         none ? "" : lag);
}

/* Log, old row versions, and the disk that the journal takes. */
static void left_behind(struct bf_buffer *page, const struct bf_card *card)
{
    const struct bf_estimate *estimate = card->estimate;
    const struct bf_fact *disk = &card->facts->of[BF_FACT_DISK_FREE];
    BF_AUTO_STRING char *log = estimate->log_bytes >= 0 ? bf_quantity_bytes(estimate->log_bytes) : NULL;
    BF_AUTO_STRING char *dead = estimate->changed >= 0 ? rows_text(estimate->changed, "old row version")
                                                       : bf_copy_string("an old version of each row that it changes");
    line(page, "", "   ", "%s%s%s; leaves %s", log ? "writes " : "how much log it writes is not known", log ? log : "",
         log ? " of log" : "", dead);
    if (card->document->undo != BF_UNDO_JOURNAL)
        return;
    BF_AUTO_STRING char *journal = estimate->journal_bytes >= 0 ? bf_quantity_bytes(estimate->journal_bytes)
                                                                : bf_copy_string("not known how much");
    BF_AUTO_STRING char *room = known(card->facts, BF_FACT_DISK_FREE);
    const char *why = disk->known ? NULL : disk->detail;
    line(page, "", "   ", "disk for the undo journal: %s; free: %s%s%s", journal, room, why ? ": " : "", why ? why : "");
}

static void phases(struct bf_buffer *page, const struct bf_card *card)
{
    const struct bf_document *document = card->document;
    const struct bf_estimate *estimate = card->estimate;
    const struct bf_pace *pace = &document->pace;
    char batch_time[BF_DURATION_TEXT];
    BF_AUTO_STRING char *least = bf_quantity_count((double)pace->batch_rows_min), *most = bf_quantity_count((double)pace->batch_rows_max);
    BF_AUTO_STRING char *first = bf_quantity_count((double)pace->batch_rows_start);
    print(page, "PHASES", "1. ", "expand: nothing to do, the columns are there");
    line(page, "", "2. ", "migrate: batches of %s to %s rows, at first %s, aimed at %s, nice %g", least, most, first,
         bf_duration_format(pace->batch_time, batch_time), pace->nice);
    if (estimate->known) {
        BF_AUTO_STRING char *low = seconds_text(estimate->low), *high = seconds_text(estimate->high);
        BF_AUTO_STRING char *rate = bf_quantity_count(estimate->rate);
        line(page, "", "   ", "%s to %s of work (%s rows/s)%s", low, high, rate,
             estimate->open < 1 ? ", in its windows only" : "; holds come on top");
        if (bf_estimate_is_by_reading(card->facts, estimate))
            print(page, "", "   ", "the trial changed none of its rows, so that is a guess from reading them");
    } else {
        print(page, "", "   ", "how long it takes is not known: nothing could be tried");
    }
    left_behind(page, card);
    print(page, "", "3. ", document->remaining ? "verify: passes until no row remains, then the checks behind it"
                                               : "verify: the checks behind it; late rows are not looked for");
    print(page, "", "4. ", "contract: not before this job is completed and its way back is not needed any more");
}

/* "kept 7 d 00 h after the end", or until when, once that is known. */
static char *kept_text(const struct bf_card *card)
{
    char text[BF_DURATION_TEXT > 32 ? BF_DURATION_TEXT : 32];
    time_t until = (time_t)(card->undo_until / 1000);
    struct tm utc;
    if (card->undo_until == 0 || !gmtime_r(&until, &utc) || strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc) == 0)
        return bf_format("kept %s after the end", bf_duration_format(card->keep_undo, text));
    return bf_format("kept until %s", text);
}

/* Whether rows of the trial came back. */
static void proof(struct bf_buffer *page, const struct bf_facts *facts)
{
    const struct bf_fact *proven = &facts->of[BF_FACT_PROVEN];
    if (proven->known)
        print(page, "", "", proven->value > 0 ? "tried: every row came back byte for byte" : "tried: NOT every row came back");
    else if (proven->detail)
        line(page, "", "", "not tried: %s", proven->detail);
}

static void way_back(struct bf_buffer *page, const struct bf_card *card)
{
    switch (card->document->undo) {
    case BF_UNDO_NONE: print(page, "ROLLBACK", "", "none: the point of no return is the first batch"); return;
    case BF_UNDO_INVERSE:
        line(page, "ROLLBACK", "", "backfillctl rollback %s: the author's inverse over what was done; it does not see what others "
             "wrote meanwhile", card->document->name);
        proof(page, card->facts);
        return;
    case BF_UNDO_JOURNAL: break;
    }
    double size = card->took && card->took->journal_bytes >= 0 ? card->took->journal_bytes : card->estimate->journal_bytes;
    BF_AUTO_STRING char *bytes = size >= 0 ? bf_quantity_bytes(size) : bf_copy_string("of a size that is not known");
    BF_AUTO_STRING char *kept = kept_text(card);
    if (card->undo_dropped)
        print(page, "ROLLBACK", "", "none any more: the undo journal was dropped");
    else
        line(page, "ROLLBACK", "", "backfillctl rollback %s; journal (%s) %s: that is the point of no return", card->document->name, bytes,
             kept);
    proof(page, card->facts);
}

/* "is there a backup", "are there rows": what the operator's queries are called; owned. */
static char *names_of_checks(const struct bf_document *document, enum bf_check_kind kind)
{
    struct bf_buffer names = {0};
    for (size_t i = 0; i < document->check_count[kind]; i++)
        bf_buffer_format(&names, "%s\"%s\"", i ? ", " : "", document->checks[kind][i].name);
    return names.length ? bf_buffer_take(&names) : bf_copy_string("no checks");
}

/* "checkout: its SQL above 2 x its baseline for 30 s, then abort" */
static void trigger(struct bf_buffer *page, const struct bf_document_trigger *trigger)
{
    char time[BF_DURATION_TEXT];
    struct bf_buffer text = {0};
    bf_buffer_format(&text, "%s: %s", trigger->name, trigger->signal ? trigger->signal : trigger->source ? trigger->source : "its SQL");
    if (trigger->limited)
        bf_buffer_format(&text, " %s %g%s", trigger->below ? "below" : "above", trigger->limit, trigger->relative ? " x its baseline" : "");
    else
        bf_buffer_text(&text, " says so");
    if (trigger->hold)
        bf_buffer_format(&text, " for %s", bf_duration_format(trigger->hold, time));
    bf_buffer_format(&text, ", then %s", bf_order_name(trigger->then));
    BF_AUTO_STRING char *line = bf_buffer_take(&text);
    print(page, "", "   - ", line);
}

static void stops(struct bf_buffer *page, const struct bf_document *document)
{
    bool by_itself = document->trigger_count > 0 || document->takes_alerts;
    print(page, "", "4. ", by_itself ? "rollback triggers, which stop it by themselves:" : "rollback triggers: none, nothing but a person stops it");
    for (size_t i = 0; i < document->trigger_count; i++)
        trigger(page, &document->triggers[i]);
    if (document->takes_alerts)
        line(page, "", "   - ", "alerts that name it, then %s", bf_order_name(document->alerts));
    line(page, "", "   ", "by hand: backfillctl pause %s", document->name);
    line(page, "", "   ", "with SQL: UPDATE backfilld.control SET goal = 'pause' WHERE name = '%s'", document->name);
}

static void canary(struct bf_buffer *page, const struct bf_document *document)
{
    BF_AUTO_STRING char *rows = bf_quantity_count((double)document->canary_rows);
    BF_AUTO_STRING char *checks = document->check_count[BF_CHECK_CANARY] ? names_of_checks(document, BF_CHECK_CANARY) : NULL;
    if (document->canary_rows)
        line(page, "", "3. ", "canary: %s rows%s%s, then a person looks and says backfillctl resume %s", rows, checks ? ", then " : "",
             checks ? checks : "", document->name);
    else
        print(page, "", "3. ", "canary: none");
}

static void runbook(struct bf_buffer *page, const struct bf_card *card)
{
    const struct bf_document *document = card->document;
    BF_AUTO_STRING char *before = names_of_checks(document, BF_CHECK_BEFORE), *after = names_of_checks(document, BF_CHECK_AFTER);
    line(page, "RUNBOOK", "1. ", "pre-check: backfillctl targets; before the first batch: %s", before);
    line(page, "", "2. ", "start: backfillctl approve %s%s%s; backfillctl watch %s", document->name,
         card->judgement->risk == BF_RISK_RED ? " --confirm " : "", card->judgement->risk == BF_RISK_RED ? document->name : "",
         document->name);
    canary(page, document);
    stops(page, document);
    BF_AUTO_STRING char *sampled = bf_quantity_count((double)document->verify_sample);
    line(page, "", "5. ", "post-verify: %s%s%s%s", document->verify_sample ? "up to " : "", document->verify_sample ? sampled : "",
         document->verify_sample ? " changed rows recomputed from the journal, " : "", after);
}

static void handoff(struct bf_buffer *page, const struct bf_card *card)
{
    const struct bf_pace *pace = &card->document->pace;
    print(page, "REHEARSAL", "", card->rehearsal ? card->rehearsal : "none on record");
    print(page, "OWNER", "", card->document->owner ? card->document->owner : "nobody is named");
    for (size_t i = 0; i < pace->window_count; i++) {
        BF_AUTO_STRING char *window = bf_window_text(&pace->windows[i]);
        print(page, i ? "" : "WINDOW", "", window);
    }
    if (pace->window_count == 0)
        print(page, "WINDOW", "", "at any time");
    line(page, "HANDOFF", "", "backfillctl show %s says what it does and why; backfillctl events %s what it did", card->document->name,
         card->document->name);
}

/* A line of what came of it, where that is known, with what was estimated behind it. */
static void beside(struct bf_buffer *page, const char *what, double took, double estimated, char *(*shown)(double value))
{
    if (took < 0)
        return;
    BF_AUTO_STRING char *value = shown(took), *guess = estimated >= 0 ? shown(estimated) : bf_copy_string("not known");
    line(page, "", "", "%s of %s (estimated: %s)", value, what, guess);
}

/* The estimate beside what came of it, so that the next one is read with the right eyes. */
static void outcome(struct bf_buffer *page, const struct bf_card *card)
{
    const struct bf_took *took = card->took;
    if (!took)
        return;
    BF_AUTO_STRING char *work = seconds_text(took->work), *whole = seconds_text(took->whole);
    BF_AUTO_STRING char *scanned = bf_quantity_count(took->scanned), *changed = bf_quantity_count(took->changed);
    line(page, "TOOK", "", "%s of work, %s from start to end; %s rows scanned, %s changed", work, whole, scanned, changed);
    if (card->estimate->known) {
        BF_AUTO_STRING char *low = seconds_text(card->estimate->low), *high = seconds_text(card->estimate->high);
        line(page, "", "", "estimated %s to %s%s", low, high,
             !took->compared ? "; it did not come to its end" : took->held ? ", which held" : ", which did not hold");
    }
    beside(page, "log, by what the server wrote while batches ran", took->log_bytes, card->estimate->log_bytes, bf_quantity_bytes);
    beside(page, "undo journal", took->journal_bytes, card->estimate->journal_bytes, bf_quantity_bytes);
    if (took->dead >= 0) {
        BF_AUTO_STRING char *dead = bf_quantity_count(took->dead);
        line(page, "", "", "%s old row versions were in the table at the end, by the server's statistics", dead);
    }
}

char *bf_card_text(const struct bf_card *card)
{
    struct bf_buffer page = {0};
    migration(&page, card);
    approval(&page, card);
    risk(&page, card);
    size(&page, card);
    phases(&page, card);
    way_back(&page, card);
    runbook(&page, card);
    handoff(&page, card);
    outcome(&page, card);
    return bf_buffer_take(&page);
}
