/* SPDX-License-Identifier: Apache-2.0 */
/* run.h: the integer runtime. Loads an .itm program and runs it with integers only: the same bytes on every machine.
**
**   program   immutable, packed for one CPU level, shared between threads
**   session   one workspace, one thread of use at a time; run() allocates nothing
**
** real = scale * (q - zero_point) for every tensor. Tensors are dense, NHWC, batch first.
*/
#ifndef INTACT_RUN_H
#define INTACT_RUN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define INTACT_MUST_USE __attribute__((warn_unused_result))
#define INTACT_API __attribute__((visibility("default")))
#else
#define INTACT_MUST_USE
#define INTACT_API
#endif

#define INTACT_VERSION_STRING "0.1.0"
#define INTACT_RANK_MAX 8

typedef enum intact_status {
    INTACT_OK = 0,
    INTACT_E_ARG,         /* the caller passed something impossible */
    INTACT_E_NOMEM,       /* the allocator said no */
    INTACT_E_IO,          /* a file could not be read or written */
    INTACT_E_FORMAT,      /* a file's content is not what its format demands */
    INTACT_E_SHAPE,       /* shapes or types do not fit together */
    INTACT_E_UNSUPPORTED, /* understood, but this build or the integer runtime cannot do it */
    INTACT_E_DATA,        /* a data set or its labels are unusable */
    INTACT_E_CANCELLED,   /* the caller's callback asked to stop */
    INTACT_E_GATE         /* a stated accuracy gate was not met */
} intact_status;

/* Filled by every call that fails; the caller owns it, NULL is allowed. Both texts end in NUL and may be cut. */
typedef struct intact_error {
    intact_status code;
    char where[160];   /* "layer4.1.conv2 (Conv)", "net.onnx at byte 4182" */
    char message[480]; /* one sentence: what is wrong, the values, what would be right */
} intact_error;

/* One function does malloc (ptr NULL), realloc and free (bytes_new 0, returns NULL). Memory is aligned to 64 bytes.
** Must be safe to call from several threads. NULL instead of a pointer to this struct means the C library.
** Blocks for packed weights of 2 MiB and more begin to be filled at a multiple of 2 MiB, and the system is asked to back the whole pages in
** them with huge ones (madvise): with an allocator of your own, that is your memory. It is advice; nothing depends on it. */
typedef struct intact_alloc {
    void *(*grow)(void *user, void *ptr, size_t bytes_old, size_t bytes_new);
    void *user;
} intact_alloc;

typedef enum intact_cpu { /* new levels come last, in front of COUNT: a number keeps its meaning */
    INTACT_CPU_AUTO = 0, /* the best level that this machine has */
    INTACT_CPU_SCALAR,
    INTACT_CPU_AVX2,
    INTACT_CPU_AVXVNNI,
    INTACT_CPU_AVX512VNNI,
    INTACT_CPU_AVX512VBMI,
    INTACT_CPU_NEON,
    INTACT_CPU_NEONDOT,
    INTACT_CPU_COUNT
} intact_cpu;

INTACT_API const char *intact_cpu_name(intact_cpu cpu);              /* "auto", "scalar", "avx2", ... */
INTACT_API intact_cpu intact_cpu_parse(const char *name);            /* INTACT_CPU_COUNT when unknown */
INTACT_API int intact_cpu_has(intact_cpu cpu);                       /* 1 when this machine can run that level */
INTACT_API const char *intact_status_name(intact_status status);     /* "format", "unsupported", ... */

typedef enum intact_type {
    INTACT_U8 = 0, /* codes 0..255 */
    INTACT_S8,     /* weights in a file only */
    INTACT_S16,    /* codes -32767..32767, zero point 0; -32768 in an input is read as -32767 */
    INTACT_S32     /* indexes (argmax), bias in a file */
} intact_type;

INTACT_API size_t intact_type_bytes(intact_type type);

/* An input or output of a program. dims[0] is the batch and reads 1; multiply by the session's batch. */
typedef struct intact_port {
    char name[128];
    intact_type type;
    uint32_t rank;
    uint32_t dims[INTACT_RANK_MAX]; /* NHWC: (1,H,W,C) or (1,K) */
    size_t bytes;                   /* per sample */
    float scale;                    /* real = scale * (q - zero_point) */
    int32_t zero_point;
    int is_pixels;                  /* 1: takes raw interleaved pixels 0..255; the program holds the normalization */
} intact_port;

typedef struct intact_program_info {
    uint32_t inputs_len, outputs_len, instructions_len, tensors_len; /* instructions: as loaded, that is steps */
    uint64_t macs;          /* multiply-accumulates per sample, padded taps counted */
    uint64_t parameters;    /* weights and biases */
    uint64_t file_bytes;
    uint64_t packed_bytes;  /* weights as packed for this CPU level */
    uint64_t peak_bytes;    /* activations of one sample, as planned */
    uint64_t bound_bytes;   /* the largest sum of values alive at once, in the order in which they are computed; where one is written over
                            ** another that dies, they count once. Parts of joined values lie where they are joined, as planned, or each
                            ** on its own, whichever gives less: neither way has room in fewer bytes */
    intact_cpu cpu;
} intact_program_info;

typedef struct intact_program intact_program;
typedef struct intact_session intact_session;

typedef struct intact_load_options {
    const intact_alloc *alloc; /* NULL: C library. Must outlive the program */
    intact_cpu cpu;            /* AUTO, or a level to force; an error when the machine lacks it */
    uint32_t threads;          /* for packing; 0 or 1: the caller's thread only */
    int separate;              /* 1: every instruction of the file is a step of its own, in the order of the file, every value a block of
                               ** its own. 0: layers take the additions and tables behind them, parts are written where they are joined,
                               ** branches run in the order that needs the least memory: faster, the same outputs, but a probe does not
                               ** see the values between */
} intact_load_options;

/* Reads and checks every byte of a program, then packs its weights. opt may be NULL. The file must not change until this returns;
** afterwards nothing of it is read any more. Fails with IO, FORMAT, UNSUPPORTED or NOMEM. */
INTACT_MUST_USE INTACT_API intact_status intact_program_load(const char *path, const intact_load_options *opt,
                                                             intact_program **out, intact_error *err);
/* The same from memory that stays the caller's and is not read any more when this returns; bytes aligned to 64. */
INTACT_MUST_USE INTACT_API intact_status intact_program_load_memory(const void *bytes, size_t len, const intact_load_options *opt,
                                                                    intact_program **out, intact_error *err);
INTACT_API void intact_program_free(intact_program *p);

INTACT_API void intact_program_get_info(const intact_program *p, intact_program_info *out);
INTACT_API intact_status intact_program_input(const intact_program *p, uint32_t index, intact_port *out);
INTACT_API intact_status intact_program_output(const intact_program *p, uint32_t index, intact_port *out);
/* Provenance as JSON text (options, SHA-256 of model and calibration set); ends in NUL, lives as long as the program. */
INTACT_API const char *intact_program_meta(const intact_program *p);

typedef struct intact_step { /* one instruction, for listings, profiles and comparisons */
    char kind[24];           /* "conv", "dwconv", "add", ... */
    char name[128];          /* the layer it came from */
    char kernel[48];         /* the kernel version that runs it, and what it does on top: " +add", " +lut", " +threshold" */
    uint64_t macs;
    uint64_t out_elements;   /* per sample, of its first output */
    intact_type out_type;
    uint32_t out_rank, out_dims[INTACT_RANK_MAX];
    float out_scale;
    int32_t out_zero_point;
    char out_name[128];      /* the value of the source network that this output stands for */
    uint32_t weight_bits;    /* of a weight in the program: 8, or 2 to 4 for packed ones; 0: the instruction has none */
} intact_step;

INTACT_API uint32_t intact_program_steps(const intact_program *p);
INTACT_API intact_status intact_program_step(const intact_program *p, uint32_t index, intact_step *out);

/* The caller's own threads, instead of the session's. */
typedef struct intact_pool {
    uint32_t threads; /* most parts of one loop, 1 to 1024; a session has scratch memory for each */
    /* Must call fn(arg, k) once for every k < count (count <= threads), in any order, on any threads, one after another or at once, and
    ** return when all are done. Called only from within intact_session_run, on its thread; not nested. fn never blocks or fails; which
    ** part does how much of the work is decided while they run: one alone would do all of it. The bytes are the same in every case.
    ** A part needs about 25 KB of stack. */
    void (*run)(void *user, uint32_t count, void (*fn)(void *arg, uint32_t k), void *arg);
    void *user; /* the caller's; must live as long as the session */
} intact_pool;

typedef struct intact_session_options {
    uint32_t batch;   /* samples per run; 0 means 1 */
    uint32_t threads; /* 0 means 1; the same bytes at any count */
    /* Called on the running thread after each instruction with its first output, batch included: only for tests,
    ** comparisons and profiles. data is valid until probe returns: the bytes are used again. It is NULL and bytes 0 where the value lies
    ** spread inside another one (a part of a later concat), which never happens in a program loaded `separate`. nanoseconds is the time
    ** that the instruction took. NULL: never. */
    void (*probe)(void *user, uint32_t step, const void *data, size_t bytes, uint64_t nanoseconds);
    void *probe_user;
    /* NULL: the session starts threads - 1 threads of its own, which sleep when idle for 0.1 ms. Else threads is not looked at and none are
    ** started; the struct is copied. Fails with ARG for 0 or more than 1024 threads or without run. */
    const intact_pool *pool;
} intact_session_options;

/* opt may be NULL. The program must outlive the session. */
INTACT_MUST_USE INTACT_API intact_status intact_session_new(const intact_program *p, const intact_session_options *opt,
                                                            intact_session **out, intact_error *err);
INTACT_API void intact_session_free(intact_session *s);

/* inputs[i], outputs[i]: batch * port.bytes bytes each, aligned for their type, the caller's. No allocation, no float.
** Outputs are working memory: parts of them are written early and read again, so they must not overlap an input or each other, and nobody
** else may touch them until this returns. Inputs are only read. Fails only with ARG (wrong counts, a NULL, or a misaligned pointer). */
INTACT_MUST_USE INTACT_API intact_status intact_session_run(intact_session *s, const void *const *inputs, uint32_t inputs_len,
                                                            void *const *outputs, uint32_t outputs_len, intact_error *err);
INTACT_API size_t intact_session_bytes(const intact_session *s); /* workspace, tables and thread stacks excluded */

#ifdef __cplusplus
}
#endif
#endif
