/* HMAC-SHA256 against the vectors of RFC 4231. */
#include "unit.h"

#include <string.h>

#include "hmac.h"

static void vectors(void **state)
{
    (void)state;
    char key[131], data[50], text[BF_HMAC_TEXT];
    memset(key, 0x0b, 20);
    assert_string_equal(bf_hmac_sha256(key, 20, "Hi There", 8, text),
                        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_string_equal(bf_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, text),
                        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    assert_string_equal(bf_hmac_sha256(key, 20, data, sizeof data, text),
                        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    /* A key that is longer than a block. */
    assert_string_equal(bf_hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, text),
                        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
