/* A handler of which nothing is called but `handler_entry`, and that does nothing: calling it costs what a call costs. */
#include "rust_edge_gateway.h"

const uint32_t handler_abi = GATEWAY_ABI_VERSION;

#define DOES_NOTHING(name)                                                      \
    int64_t name(const uint8_t *in, size_t len, uint8_t *out, size_t cap) {     \
        (void)in, (void)len, (void)out, (void)cap;                              \
        return 0;                                                               \
    }

int64_t handler_init(const uint8_t *in, size_t len, uint8_t *out, size_t cap) {
    (void)in, (void)len, (void)out, (void)cap;
    return GATEWAY_ABI_VERSION;
}

DOES_NOTHING(handler_entry)
DOES_NOTHING(handler_resume)
DOES_NOTHING(handler_cancel)
DOES_NOTHING(handler_fetch)
DOES_NOTHING(handler_end)
