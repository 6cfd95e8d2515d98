#include "quantity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"

char *bf_quantity_count(double count)
{
    if (!isfinite(count))
        return bf_copy_string("?");
    if (count > 0 && count < 9.95)
        return bf_format("%.*f", count == floor(count) ? 0 : 1, count);
    char digits[320];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%.0f", count);
    struct bf_buffer grouped = {0};
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
            bf_buffer_text(&grouped, ",");
        bf_buffer_append(&grouped, digits + i, 1);
    }
    return bf_buffer_take(&grouped);
}

char *bf_quantity_bytes(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    if (!isfinite(bytes))
        return bf_copy_string("?");
    while (bytes >= 1023.95 && unit + 1 < BF_COUNT(units)) {
        bytes /= 1024;
        unit++;
    }
    return bf_format("%.*f %s", unit > 0 && bytes < 99.95 ? 1 : 0, bytes, units[unit]);
}
