/* Runs a fuzzer over its corpus without libFuzzer: each file as it is, and so many variations of it, always the same ones.
 *
 *   fuzz-NAME DIRECTORY [VARIATIONS]
 *
 * What a fuzzer once found stays in the corpus, so this is its regression test. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "fuzz.h"

enum { INPUT_MAX = 64 * 1024, EDITS_MAX = 4 };

static uint64_t state;

static size_t chance(size_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % limit);
}

/* A byte becomes another, a part is taken out, or stands there twice. */
static size_t edit(uint8_t *data, size_t size)
{
    static const uint8_t telling[] = {0, '"', '\'', '\\', '\n', '{', '}', '[', ']', '(', ')', '%', ';', '/', '*', '-', 0x80, 0xff, '9'};
    if (size == 0)
        return 0;
    size_t at = chance(size), length = 1 + chance(size - at < 16 ? size - at : 16);
    switch (chance(4)) {
    case 0: data[at] = telling[chance(sizeof telling)]; return size;
    case 1: data[at] ^= (uint8_t)(1u << chance(8)); return size;
    case 2: memmove(data + at, data + at + length, size - at - length); return size - length;
    default:
        if (size + length > INPUT_MAX)
            return size;
        memmove(data + at + length, data + at, size - at);
        return size + length;
    }
}

static void run(const uint8_t *bytes, size_t size, int variations)
{
    uint8_t *data = bf_allocate(INPUT_MAX);
    state = 0x9e3779b97f4a7c15u + size;
    LLVMFuzzerTestOneInput(bytes, size);
    for (int i = 0; i < variations; i++) {
        size_t length = size;
        memcpy(data, bytes, size);
        for (size_t edits = 1 + chance(EDITS_MAX); edits; edits--)
            length = edit(data, length);
        uint8_t *exact = bf_allocate(length + 1); /* of its own size, so that a byte too far is seen */
        memcpy(exact, data, length);
        LLVMFuzzerTestOneInput(exact, length);
        free(exact);
    }
    free(data);
}

int main(int count, char **words)
{
    if (count < 2) {
        fprintf(stderr, "usage: %s DIRECTORY [VARIATIONS]\n", words[0]);
        return 2;
    }
    int variations = count > 2 ? atoi(words[2]) : 100, files = 0;
    struct dirent **entries;
    int found = scandir(words[1], &entries, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        BF_AUTO_STRING char *path = bf_format("%s/%s", words[1], entries[i]->d_name);
        FILE *file = entries[i]->d_name[0] == '.' ? NULL : fopen(path, "re");
        free(entries[i]);
        if (!file)
            continue;
        uint8_t *bytes = bf_allocate(INPUT_MAX);
        size_t size = fread(bytes, 1, INPUT_MAX, file);
        fclose(file);
        run(bytes, size, variations);
        free(bytes);
        files++;
    }
    if (found >= 0)
        free(entries);
    printf("%d files, each with %d variations\n", files, variations);
    return files > 0 ? 0 : 1;
}
