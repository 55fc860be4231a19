/* The native half of the contestant: each writes its answer to `out` and gives the number of its bytes. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int32_t hello(char *out) {
    memcpy(out, "Hello, world!", 13);
    return 13;
}

int32_t burn(char *out) {
    uint32_t value = 1;
    for (int step = 0; step < 500000; step++) {
        value ^= value << 13;
        value ^= value >> 17;
        value ^= value << 5;
    }
    return (int32_t)sprintf(out, "%u", value);
}

int32_t copy(const char *in, int32_t length, char *out) {
    memcpy(out, in, (size_t)length);
    return length;
}
