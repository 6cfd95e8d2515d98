/* The daemon's configuration file; without certificates and tokens, whose files would be opened. */
#include <string.h>

#include "config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bf_config *config = NULL;
    struct bf_faults faults = {0};
    if (memmem(data, size, "tls_key", strlen("tls_key")) || memmem(data, size, "tokens", strlen("tokens")))
        return 0;
    if (bf_config_parse((const char *)data, size, &config, &faults) == (faults.total != 0))
        __builtin_trap();
    bf_config_free(config);
    bf_faults_clear(&faults);
    return 0;
}
