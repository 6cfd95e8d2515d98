/* Alerts at the engine of canned answers: each is remembered as one line, and acted on where it names a job. */
#include "fake_engine.h"

#include <stdio.h>
#include <string.h>

#include "alerts.h"
#include "allocate.h"

char fake_alerts[1024];

void bf_engine_take_alerts(struct bf_engine *engine, const struct bf_alert *alerts, size_t count, bf_alerted *done,
                           void *argument)
{
    (void)engine;
    struct bf_alert_outcome outcomes[8] = {0};
    fake_alerts[0] = '\0';
    for (size_t i = 0; i < count && i < BF_COUNT(outcomes); i++) {
        const struct bf_alert *alert = &alerts[i];
        size_t length = strlen(fake_alerts);
        snprintf(fake_alerts + length, sizeof fake_alerts - length, "%s %s %s %s %s %s %s\n", alert->fingerprint, alert->starts_at,
                 alert->firing ? "firing" : "resolved", alert->name ? alert->name : "-", alert->job ? alert->job : "-",
                 alert->action ? alert->action : "-", alert->summary ? alert->summary : "-");
        snprintf(outcomes[i].fingerprint, sizeof outcomes[i].fingerprint, "%s", alert->fingerprint);
        outcomes[i].acted = alert->job != NULL;
        outcomes[i].did = BF_ORDER_PAUSE;
        outcomes[i].durable = i == 0;
        snprintf(outcomes[i].job, sizeof outcomes[i].job, "%s", alert->job ? FAKE_RUNNING : "");
        snprintf(outcomes[i].text, sizeof outcomes[i].text, "canned words");
    }
    done(argument, outcomes, count);
}
