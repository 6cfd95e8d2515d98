/* What sources answer, and the number in it, or why there is none. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "source_answer.h"

struct answer {
    int status;
    const char *body;
    double value;        /* NAN: none, and then */
    const char *trouble; /* stands in its text */
};

#define VECTOR(elements) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" elements "]}}"
#define SAMPLE(value) "{\"metric\":{\"job\":\"a\"},\"value\":[1700000000.1,\"" value "\"]}"

static void of_prometheus(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {200, VECTOR(SAMPLE("0.034")), 0.034, ""},
        {200, VECTOR(SAMPLE("-1e-3")), -0.001, ""},
        {200, "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1700000000,\"7\"]}}", 7, ""},
        {200, VECTOR(""), NAN, "its query gives nothing"},
        {200, VECTOR(SAMPLE("1") "," SAMPLE("2")), NAN, "gives 2 series, not one"},
        {200, VECTOR(SAMPLE("NaN")), NAN, "gives NaN, which is no number"},
        {200, VECTOR(SAMPLE("+Inf")), NAN, "which is no number"},
        {200, VECTOR("{\"metric\":{},\"value\":[1]}"), NAN, "which is no number"},
        {200, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", NAN, "a matrix, not one number"},
        {400, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse\\nerror\"}", NAN, "refuses the query: parse error"},
        {502, "<html>Bad Gateway</html>", NAN, "status 502"},
        {200, "", NAN, "nothing of Prometheus' API"},
        {200, "[1]", NAN, "nothing of Prometheus' API"},
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const struct answer *answer = &answers[i];
        char trouble[BF_ANSWER_TROUBLE] = "";
        double value = 0;
        bool good = bf_answer_of_prometheus(answer->status, answer->body, strlen(answer->body), &value, trouble);
        if (good == isnan(answer->value) || !strstr(trouble, answer->trouble) || (good && fabs(value - answer->value) > 1e-12))
            fail_msg("%s: %g, \"%s\"", answer->body, value, trouble);
    }
}

static void at_a_pointer(void **state)
{
    (void)state;
    static const char body[] = "{\"ratio\":0.5,\"shops\":[{\"errors\":3},{\"errors\":\"4.5\"}],\"a/b\":{\"~\":1},\"up\":true,\"down\":false,"
                               "\"\":9,\"text\":\"x\",\"none\":null}";
    static const struct {
        const char *pointer;
        double value;
        const char *trouble;
    } rows[] = {
        {"/ratio", 0.5, ""},         {"/shops/0/errors", 3, ""},    {"/shops/1/errors", 4.5, ""}, {"/a~1b/~0", 1, ""},
        {"/up", 1, ""},              {"/down", 0, ""},              {"/", 9, ""},
        {"/text", NAN, "no number"}, {"/none", NAN, "no number"},   {"/shops", NAN, "no number"}, {"/nowhere", NAN, "nothing at"},
        {"/shops/2/errors", NAN, "nothing at"}, {"/shops/x", NAN, "nothing at"}, {"/shops/-1", NAN, "nothing at"},
        {"/ratio/deeper", NAN, "nothing at"},
    };
    char trouble[BF_ANSWER_TROUBLE];
    double value;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        trouble[0] = '\0';
        bool good = bf_answer_at_pointer(200, body, sizeof body - 1, rows[i].pointer, &value, trouble);
        if (good == isnan(rows[i].value) || !strstr(trouble, rows[i].trouble) || (good && fabs(value - rows[i].value) > 1e-12))
            fail_msg("%s: %g, \"%s\"", rows[i].pointer, value, trouble);
    }
    assert_false(bf_answer_at_pointer(503, body, sizeof body - 1, "/ratio", &value, trouble));
    assert_non_null(strstr(trouble, "status 503"));
    assert_false(bf_answer_at_pointer(200, "{", 1, "/ratio", &value, trouble));
    assert_non_null(strstr(trouble, "not JSON"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_prometheus), cmocka_unit_test(at_a_pointer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
