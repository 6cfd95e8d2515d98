/* Alerts at the engine of canned answers: each is remembered as one line, and acted on where it names a job. And one trigger of
 * the first job. */
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
    done(argument, outcomes, count < BF_COUNT(outcomes) ? count : BF_COUNT(outcomes));
}

size_t bf_job_triggers(const struct bf_job *job, struct bf_trigger_view list[BF_TRIGGERS_MAX])
{
    if (job != &fake.jobs[0])
        return 0;
    list[0] = (struct bf_trigger_view){.name = "errors", .watching = true, .known = true, .value = 0.25, .limit = 0.5,
                                       .true_seconds = -1, .trouble = ""};
    return 1;
}
