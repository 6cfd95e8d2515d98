#include "flight.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"

const char *bf_statement_name(enum bf_statement statement)
{
    static const char *const names[] = {
#define X(constant, name, contract) #name,
        BF_STATEMENTS(X)
#undef X
    };
    return statement < BF_COUNT(names) ? names[statement] : "unknown";
}

const char *bf_error_class_name(enum bf_error_class error_class)
{
    static const char *const names[] = {
#define X(constant, name) #name,
        BF_ERROR_CLASSES(X)
#undef X
    };
    return error_class < BF_COUNT(names) ? names[error_class] : "unknown";
}

enum bf_sample_row bf_sample_row_by_name(const char *name)
{
    static const char *const names[] = {
#define X(constant, row, columns) #row,
        BF_SAMPLE_ROWS(X)
#undef X
    };
    for (size_t i = 0; name && i < BF_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum bf_sample_row)i;
    return BF_SAMPLE_ROW_KINDS;
}

bool bf_error_passes(enum bf_error_class error_class)
{
    switch (error_class) {
    case BF_CLASS_LOCK:
    case BF_CLASS_SERIALIZATION:
    case BF_CLASS_CANCELLED:
    case BF_CLASS_LOST:
    case BF_CLASS_ENDED:
    case BF_CLASS_NOT_PRIMARY:
    case BF_CLASS_RESOURCES:
    case BF_CLASS_UNREACHABLE:
        return true;
    default:
        return false;
    }
}

struct bf_step *bf_flight_add(struct bf_flight *flight, enum bf_statement statement, const char *sql)
{
    assert(flight->count < BF_STEPS_MAX);
    if (flight->count == flight->room) {
        flight->room = flight->room ? 2 * flight->room : 6; /* a batch has five and more */
        flight->steps = bf_reallocate(flight->steps, flight->room * sizeof *flight->steps);
    }
    struct bf_step *step = &flight->steps[flight->count++];
    *step = (struct bf_step){.statement = statement, .sql = sql};
    return step;
}

void bf_step_text(struct bf_step *step, const char *text)
{
    assert(step->parameter_count < BF_PARAMETERS_MAX);
    step->parameters[step->parameter_count++] = bf_copy_string(text);
}

void bf_step_number(struct bf_step *step, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)number);
    bf_step_text(step, text);
}

void bf_flight_clear(struct bf_flight *flight)
{
    for (size_t i = 0; i < flight->count; i++)
        for (size_t p = 0; p < flight->steps[i].parameter_count; p++)
            free(flight->steps[i].parameters[p]);
    free(flight->steps);
    *flight = (struct bf_flight){0};
}

const char *bf_answer_value(const struct bf_answer *answer, size_t row, size_t column)
{
    if (answer->outcome != BF_OUTCOME_OK || row >= answer->rows || column >= answer->columns)
        return NULL;
    return answer->values[row * answer->columns + column];
}

double bf_answer_real(const struct bf_answer *answer, size_t row, size_t column, double otherwise)
{
    const char *value = bf_answer_value(answer, row, column);
    char *end = NULL;
    double number = value ? strtod(value, &end) : otherwise;
    return end == value ? otherwise : number;
}

int64_t bf_answer_number(const struct bf_answer *answer, size_t row, size_t column)
{
    const char *value = bf_answer_value(answer, row, column);
    return value ? strtoll(value, NULL, 10) : 0;
}

bool bf_answer_count(const struct bf_answer *answer, size_t row, size_t column, int64_t *ret_count)
{
    const int64_t most = INT64_C(1000000000000000);
    const char *text = bf_answer_value(answer, row, column);
    char *end = NULL;
    int64_t count = text ? strtoll(text, &end, 10) : 0;
    if (count < 0 || count > most || (text && (end == text || *end)))
        return false;
    *ret_count = count;
    return true;
}

bool bf_answer_true(const struct bf_answer *answer, size_t row, size_t column)
{
    const char *value = bf_answer_value(answer, row, column);
    return value && (value[0] == 't' || value[0] == '1');
}

void bf_answer_clear(struct bf_answer *answer)
{
    free(answer->message);
    for (size_t i = 0; i < answer->rows * answer->columns; i++)
        free(answer->values[i]);
    free(answer->values);
    *answer = (struct bf_answer){0};
}
