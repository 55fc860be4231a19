/*
 * The C ABI between Rust Edge Gateway and a handler library, version 1: what a library in any language has to export,
 * and the frames that go in and out. The same in Rust: crate rust-edge-gateway-abi.
 *
 * A library exports `handler_abi` and the entry points declared below. It is loaded as a private copy for every
 * worker thread, called by that thread only, and thrown away after any fault, so it needs no locks and no clean-up after
 * errors. Everything is little-endian; frames have no padding.
 *
 * A library has no constructors and destructors of its own, starts no threads or processes, changes no signals, and has
 * unwind tables (the default of C compilers on this platform). Memory it takes from libc's malloc is lost after a fault;
 * the arena is not.
 */
#ifndef RUST_EDGE_GATEWAY_H
#define RUST_EDGE_GATEWAY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GATEWAY_ABI_VERSION 1
#define GATEWAY_EXPORT __attribute__((visibility("default")))

/* Kinds of faults, for `fault` of the host table. */
enum gateway_fault_kind {
    GATEWAY_FAULT_MEMORY = 1,
    GATEWAY_FAULT_STACK_OVERFLOW = 2,
    GATEWAY_FAULT_ILLEGAL_INSTRUCTION = 3,
    GATEWAY_FAULT_ARITHMETIC = 4,
    GATEWAY_FAULT_ABORT = 5,
    GATEWAY_FAULT_INTERRUPTED = 6,
    GATEWAY_FAULT_SYSTEM_CALL = 7,
    GATEWAY_FAULT_EXIT = 8,
    GATEWAY_FAULT_OUT_OF_MEMORY = 9
};

/* Levels of log lines. */
enum gateway_log_level { GATEWAY_LOG_ERROR = 0, GATEWAY_LOG_WARN = 1, GATEWAY_LOG_INFO = 2, GATEWAY_LOG_DEBUG = 3 };

/* What the host lends to an image: the input of handler_init, valid until the image is gone. */
struct gateway_host {
    uint32_t version;       /* GATEWAY_ABI_VERSION of the host */
    uint32_t size;          /* of this table in bytes; a later host may append fields */
    uint8_t *arena;         /* the image's heap: zeroed, page-aligned, no-access pages on both sides */
    size_t arena_len;
    void *image;            /* first argument of every function below */
    /* pthread_key_create without a destructor; the host deletes the key when the image goes. An errno, or 0. */
    int32_t (*key_create)(void *image, uint32_t *key);
    /* Records a descriptor the image has opened; the host closes it when the image goes. At most 1,024: one more ends the
     * image. 0, or EMFILE when the process is short of descriptors: the host has closed this one. */
    int32_t (*fd_opened)(void *image, int32_t fd);
    /* Closes (really = 1) or only forgets (0) a recorded descriptor; -1 with EBADF for any other. */
    int32_t (*fd_close)(void *image, int32_t fd, int32_t really);
    /* Ends the running call, and the image, as a fault of this kind. Does not return. */
    void (*fault)(void *image, int32_t kind, int32_t code);
    /* Records one log line (UTF-8, no newline) of the request that is running; it survives a fault. */
    void (*log)(void *image, uint32_t level, const uint8_t *text, size_t len);
    /* Not 0: interrupts wait. To be set between opening a descriptor and recording it. */
    volatile uint32_t hold;
    /* Where the running call is: the frames of the library's own code, innermost first, each as the offset in the library
     * of an address within its call. At most 64; gives how many were written to `offsets`, which has room for capacity. */
    size_t (*trace)(void *image, uint64_t *offsets, size_t capacity);
    /* Gives the whole pages among `len` bytes from `start` on, a part of the arena, back to the system: they read as zero
     * afterwards, and occupy no memory until they are written to again. 0; or an errno, and nothing has changed. */
    int32_t (*release)(void *image, uint8_t *start, size_t len);
};

/*
 * What the library exports. The version is read before any code of the library runs.
 *
 * An entry point gives the number of bytes it wrote to `out`; or -n when n bytes are ready and do not fit: the host then
 * calls handler_fetch with a larger buffer.
 */
GATEWAY_EXPORT extern const uint32_t handler_abi;

/* First call; `in` is the host table. Gives GATEWAY_ABI_VERSION. */
GATEWAY_EXPORT int64_t handler_init(const uint8_t *in, size_t len, uint8_t *out, size_t cap);
/* Starts a request; `in` is a request frame. */
GATEWAY_EXPORT int64_t handler_entry(const uint8_t *in, size_t len, uint8_t *out, size_t cap);
/* The result of a host operation; `in` is a resume frame. */
GATEWAY_EXPORT int64_t handler_resume(const uint8_t *in, size_t len, uint8_t *out, size_t cap);
/* Drops a request; `in` is a cancel frame. */
GATEWAY_EXPORT int64_t handler_cancel(const uint8_t *in, size_t len, uint8_t *out, size_t cap);
/* The output that did not fit before; no input. */
GATEWAY_EXPORT int64_t handler_fetch(const uint8_t *in, size_t len, uint8_t *out, size_t cap);
/* Last call of a clean end; no input, no output. */
GATEWAY_EXPORT int64_t handler_end(const uint8_t *in, size_t len, uint8_t *out, size_t cap);
/* A library may leave this one out. Called when there is nothing else to do, once in a while when requests come, and twice
 * after the last one: a good moment to `release` memory that was not needed since the call before. No input, no output. */
GATEWAY_EXPORT int64_t handler_trim(const uint8_t *in, size_t len, uint8_t *out, size_t cap);

/*
 * A request frame: this, then a u16 name length and a u16 value length for each header and then for each parameter, then
 * method, path, query, request id, client address, headers (name, value ...), parameters (name, value ...), body.
 */
struct gateway_request {
    double deadline_ms;         /* CLOCK_MONOTONIC; the gateway answers for the handler afterwards */
    uint32_t request;           /* its number in the image */
    uint32_t body_len;
    uint32_t path_len;          /* as sent, percent-encoded */
    uint32_t query_len;         /* without "?" */
    uint16_t method_len;
    uint16_t request_id_len;
    uint16_t client_ip_len;
    uint16_t headers;
    uint16_t params;
    uint16_t reserved;
} __attribute__((packed));

/* A resume frame: this, then the result. */
struct gateway_resume {
    uint32_t request;
    uint32_t operation;
    int32_t status;             /* 0, or a negative errno; -38: an operation the gateway does not know */
    uint32_t payload_len;
} __attribute__((packed));

/* A cancel frame. */
struct gateway_cancel {
    uint32_t request;
    uint32_t reason;            /* 1 timeout, 2 client gone, 3 forced drain */
} __attribute__((packed));

/*
 * Output: any number of records, one after the other. A request for which there has been no reply, panic or dropped
 * record is suspended.
 */
enum gateway_record_kind {
    GATEWAY_RECORD_REPLY = 1,
    GATEWAY_RECORD_PANIC = 2,
    GATEWAY_RECORD_OPERATION = 3,
    GATEWAY_RECORD_OPERATION_CANCEL = 4,
    GATEWAY_RECORD_DROPPED = 5
};

/* How every record begins; `dropped`, the answer to handler_cancel, is no more than this. */
struct gateway_record {
    uint32_t len;               /* of the whole record */
    uint8_t kind;
    uint8_t zero[3];
    uint32_t request;
} __attribute__((packed));

/* A reply: this, then the headers (name NUL value NUL ...), then the body. */
struct gateway_reply {
    struct gateway_record record;
    uint16_t status;
    uint16_t zero;
    uint32_t headers_len;
    uint32_t body_len;
} __attribute__((packed));

/* A panic: this, then a message for the log, then up to the record's end the offsets (uint64_t) that `trace` gave when the
 * panic began, or nothing. */
struct gateway_panic {
    struct gateway_record record;
    uint32_t message_len;
} __attribute__((packed));

/* A host operation the request waits for: this, then the payload. */
struct gateway_operation {
    struct gateway_record record;
    uint32_t operation;         /* its number, chosen by the image */
    uint32_t kind;
    uint32_t payload_len;
} __attribute__((packed));

/* The result of an operation is no longer wanted. */
struct gateway_operation_cancel {
    struct gateway_record record;
    uint32_t operation;
} __attribute__((packed));

/* Host operations. The payload of a sleep is a u64 of nanoseconds; its result is empty. */
enum gateway_operation_kind { GATEWAY_OPERATION_SLEEP = 1 };

#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct gateway_host) == 96, "host table");
_Static_assert(sizeof(struct gateway_request) == 36, "request frame");
_Static_assert(sizeof(struct gateway_resume) == 16, "resume frame");
_Static_assert(sizeof(struct gateway_reply) == 24, "reply record");
_Static_assert(sizeof(struct gateway_operation) == 24, "operation record");
#endif

#ifdef __cplusplus
}
#endif

#endif
