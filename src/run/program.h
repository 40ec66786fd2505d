/* SPDX-License-Identifier: Apache-2.0 */
/* program.h: a program as the file holds it (it_prog): tensors, constants, instructions. Lowering builds one, itm_write.c
** writes it, load.c reads it, it_program_pack() turns it into an intact_program that can run. */
#ifndef IT_PROGRAM_H
#define IT_PROGRAM_H

#include <string.h>

#include "base/base.h"
#include "run/kern/kern.h"

#define IT_NO_CONST UINT32_MAX
#define IT_INSTR_IN_MAX 4096 /* concat of DenseNet-like networks; everything else takes 1 or 2 */

typedef struct it_prog it_prog;
typedef struct it_pinstr it_pinstr;
typedef struct it_prep it_prep;
typedef struct it_frame it_frame;
typedef struct it_place it_place;
typedef struct it_view it_view;

/* One value of an integer program. dims[0] is the batch and always 1 here; NHWC (channels last for every rank >= 3). */
typedef struct it_ptensor {
    const char *name;
    intact_type type;
    uint32_t rank, dims[INTACT_RANK_MAX];
    uint32_t scale_bits; /* IEEE single, carried as bits: the runtime never computes with it */
    int32_t zero_point;
} it_ptensor;

typedef struct it_pconst {
    intact_type type;
    uint64_t len; /* elements */
    const void *data; /* aligned to 64; borrowed, or in the program's arena */
    /* Packed weights: bits 2, 3 or 4, type S8. data are rows of len / rows codes (kern/codes.h) into the constant `table`, S8 with
    ** 1 << bits values or as many for each row. bits 0: the elements themselves, and the other two are 0. */
    uint32_t bits, rows, table;
} it_pconst;

/* ---- instruction kinds: each file in src/run ends in one of these, with a line in instr_list.h ---- */

typedef enum it_field_type { IT_F_U32, IT_F_I32, IT_F_CONST /* index of a constant */, IT_F_CONST_OPT /* or IT_NO_CONST */ } it_field_type;
enum { /* what a constant is besides */
    IT_F_PACKED = 0,     /* read while loading only */
    IT_F_PARAMETERS = 1, /* the same; its elements count as parameters of the network */
    IT_F_RUN = 2,        /* read while running: the loader copies it */
    IT_F_LEVELS = 4      /* the same; where it is, the layer counts thresholds */
};

typedef struct it_field { /* one 32-bit member of an instruction's argument struct; drives reader, writer and printer */
    const char *name;
    uint32_t offset;
    it_field_type type;
    int64_t lo, hi; /* allowed values of U32 and I32, both included */
    uint32_t flags; /* of constants */
} it_field;
#define IT_FIELD(st, member, type, lo, hi) { #member, (uint32_t)offsetof(st, member), IT_F_##type, (lo), (hi), 0 }
#define IT_FIELD_CONST(st, member, type, flags) { #member, (uint32_t)offsetof(st, member), IT_F_##type, 0, 0, IT_F_##flags }

typedef struct it_instr {
    const char *name; /* at most 23 characters */
    uint32_t code;    /* in the file; never reused */
    uint32_t in_min, in_max, out_len;
    uint32_t args_bytes;
    const it_field *fields;
    uint32_t fields_len;
    /* Shapes, types, constant sizes and accumulator bounds; after it succeeds prepare and run cannot go wrong.
    ** Indexes of tensors and constants, and field ranges, were checked before. */
    intact_status (*check)(const it_prog *p, const it_pinstr *i, intact_error *err);
    uint64_t (*macs)(const it_prog *p, const it_pinstr *i); /* NULL: 0 */
    /* Chooses the kernel from prep->kern, packs, and leaves what run needs in prep->state (prep->arena). */
    intact_status (*prepare)(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err);
    void (*run)(const void *state, const it_frame *f);
    bool inplace; /* out[0] may be the very bytes of in[0] */
    uint32_t (*inplace_of)(const it_pinstr *i); /* instead of inplace: bit k: out[0] may be the very bytes of in[k] */
    /* Whether `next`, which alone reads out[0], as its in[0], can be done in the same pass at kern's level, bit for bit: fuse.c then
    ** appends it to i->then, gives i its output, and its other inputs behind i's own. NULL: never. */
    bool (*takes)(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_pinstr *next);
    /* Makes i, which reads what the epilogue *e gives as in[0], the last step of it; false: not possible. add: where constants of an
    ** addition go, to live as long as e. NULL: never. */
    bool (*join)(const it_prog *p, const it_pinstr *i, it_epi *e, it_add_consts *add);
    size_t kernel_at; /* with join: the member of it_kern that i runs when it stays alone */
    void (*swap)(void *args); /* makes args those of the operands the other way round; NULL: there are none */
    /* Whether run honours the pitches that i's tensors have in places (it_place; prepare gets the same ones), by a kernel version that is
    ** as fast as without. Asked only where there are any. NULL: never. */
    bool (*pitches)(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_place *places);
    /* Calls found for each tensor t of i that may lie in another one of i, and run then does not move it (it_view_holds): out[0] in in[0],
    ** or in[k] in out[0]. NULL: none. */
    void (*views)(const it_prog *p, const it_pinstr *i, void (*found)(void *user, uint32_t t, const it_view *v), void *user);
} it_instr;

enum { IT_THEN_MAX = 2 }; /* instructions fused behind one */

struct it_pinstr {
    const it_instr *kind;
    const char *name; /* the layer it came from */
    uint32_t in_len, out_len;
    const uint32_t *in, *out; /* tensors */
    void *args;               /* kind->args_bytes */
    const it_pinstr *then[IT_THEN_MAX]; /* what was fused behind it, in order; NULL after the last. Never in a file */
};

struct it_prog {
    struct { it_ptensor *items; size_t len, cap; } tensors;
    struct { it_pconst *items; size_t len, cap; } consts;
    struct { it_pinstr *items; size_t len, cap; } instrs; /* in order of execution; every tensor is written once, before use */
    uint32_t *inputs, *outputs;
    uint32_t inputs_len, outputs_len;
    const char *meta; /* JSON */
    it_arena arena;   /* owns names, args, in/out lists */
};

void it_prog_init(it_prog *p, const intact_alloc *alloc);
void it_prog_release(it_prog *p);
/* Everything that must hold of a program, in numbered invariants (program.c). Used by the loader and before writing. */
INTACT_MUST_USE intact_status it_prog_check(const it_prog *p, intact_error *err);

/* Reads and checks the bytes of an .itm file without packing anything: for tools. p is initialised here and released by the caller on
** success only; its constants stay in the bytes, which are aligned to 64 and must outlive it (load.c). */
INTACT_MUST_USE intact_status it_prog_read(const void *bytes, size_t len, const intact_alloc *alloc, it_prog *p, intact_error *err);

extern const it_instr *const it_instr_all[]; /* NULL at the end; from instr_list.h */
const it_instr *it_instr_by_code(uint32_t code);
/* Optional constants at the end of an argument list (IT_F_CONST_OPT) are in a file only up to the last that is there: so lists can grow,
** and files without stay what they were. How many fields a list has at least, and how many i's list has. */
uint32_t it_instr_fields_least(const it_instr *kind);
uint32_t it_pinstr_fields(const it_pinstr *i);

static inline const it_ptensor *it_in(const it_prog *p, const it_pinstr *i, uint32_t k) { return &p->tensors.items[i->in[k]]; }
static inline const it_ptensor *it_out(const it_prog *p, const it_pinstr *i, uint32_t k) { return &p->tensors.items[i->out[k]]; }
static inline const it_pconst *it_const(const it_prog *p, uint32_t c) { return c == IT_NO_CONST ? NULL : &p->consts.items[c]; }
static inline uint32_t it_field_const(const it_pinstr *i, const it_field *f) /* of a constant: which one */
{
    uint32_t c;
    memcpy(&c, (const char *)i->args + f->offset, sizeof c);
    return c;
}
uint64_t it_pconst_bytes(const it_pconst *c);
it_codes it_pconst_codes(const it_prog *p, const it_pconst *c); /* of a checked one with bits */
uint64_t it_ptensor_elements(const it_ptensor *t); /* per sample */
size_t it_ptensor_bytes(const it_ptensor *t);      /* per sample */
void it_ptensor_nhwc(const it_ptensor *t, uint32_t hwc[3]); /* rank 2: 1,1,K; rank 3: 1,L,C; rank 4: H,W,C; more: product of the leading, W, C */

/* Bit k: out[0] may be the very bytes of in[k], k < 32, if both have one type and as many elements, and in[k] is not needed later. */
static inline uint32_t it_inplace(const it_pinstr *i) { return i->kind->inplace_of ? i->kind->inplace_of(i) : i->kind->inplace; }

/* ---- what prepare gets and what run gets ---- */

/* Packing put off until every instruction is prepared, so that it_program_pack() can do all of it in parallel. */
typedef struct it_pack_job it_pack_job;
struct it_pack_job {
    it_pack_job *next;
    size_t temp_bytes;                           /* what run needs for a while */
    void (*run)(it_pack_job *job, uint8_t *temp); /* temp: that many bytes, aligned to 64 */
};

struct it_prep {
    it_arena *arena;     /* lives as long as the program; packed weights go here too */
    const it_kern *kern;
    const it_place *places; /* [tensors] */
    it_pack_job *jobs;   /* in out: what must run before the program does; prepare may put one in front */
    struct it_mac *last_mac; /* in out: the state of the multiply-accumulate instruction before this one, which gets to know its weights */
    void *state;         /* out */
    const char *kernel;  /* out: name of the kernel version */
    size_t packed_bytes; /* out */
    uint32_t weight_bits; /* out: of a weight in the program; 0: no weights */
    size_t scratch_bytes;/* out: per thread, while running */
};

struct it_frame {
    const void *const *in;
    void *const *out;
    uint32_t batch;
    it_pool *pool;
    uint8_t *scratch;      /* aligned to 64 */
    size_t scratch_stride; /* bytes from one thread's scratch to the next one's */
};

/* ---- packing and planning ---- */

/* Checks p, prepares every instruction, plans memory. p is consumed: on success the program owns it. Constants in its own arena live on,
** others are not read any more when this returns, but for fields of IT_F_RUN and IT_F_LEVELS. */
typedef struct it_pack_options {
    const intact_alloc *alloc;
    intact_cpu cpu;
    uint32_t threads;
    uint64_t file_bytes;
    bool separate; /* every instruction stays as and where the file has it, every tensor has its own bytes */
} it_pack_options;
INTACT_MUST_USE intact_status it_program_pack(it_prog *p, const it_pack_options *opt, intact_program **out, intact_error *err);

typedef struct it_slot { uint32_t first, last; size_t bytes, offset; } it_slot; /* instructions, inclusive; offset is the answer */
typedef struct it_plan_size {
    size_t peak;  /* bytes of the plan */
    size_t bound; /* the largest sum of bytes alive at once: no plan is smaller; */
    uint32_t at;  /* first reached here */
} it_plan_size;
/* Places the slots so that no two alive together overlap, in small total size, offsets multiples of 64. */
INTACT_MUST_USE intact_status it_plan(it_slot *slots, size_t len, const intact_alloc *a, it_plan_size *out, intact_error *err);
/* The bound alone; peak is 0. */
INTACT_MUST_USE intact_status it_plan_bound(const it_slot *slots, size_t len, const intact_alloc *a, it_plan_size *out, intact_error *err);

#endif
