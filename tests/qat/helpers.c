/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: a small network of the list, images made of noise in memory, and a quantization-aware trainer on them. */
#include "qat/helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/arch.h"
#include "format/format.h"

void rig_must(const rig *r, intact_status st)
{
    if (st != INTACT_OK) fail_msg("%s: %s", r->err.where, r->err.message);
}

static intact_status read_noise(const it_dataset *d, size_t i, it_item *out, intact_error *err)
{
    const rig *r = d->priv;
    it_rng rng;
    (void)err;
    out->len = r->f.elements;
    out->array = it_alloc_new(d->alloc, out->len * sizeof(float));
    it_rng_seed(&rng, 1000 + i);
    it_arch_gauss(&rng, out->array, out->len, 1);
    for (size_t k = 0; k < out->len; k++) out->array[k] += 0.5f * (float)d->label[i] - 1;
    return INTACT_OK;
}

static void open_data(rig *r)
{
    static const it_data_kind KIND = { .name = "memory", .read = read_noise };
    const it_tensor *x = &r->g.inputs.items[0]->t;
    it_rng rng;
    it_rng_seed(&rng, 5);
    r->d = (it_dataset){ .kind = &KIND, .alloc = &it_alloc_libc, .len = IT_LEN(r->label), .label = r->label, .classes = 4, .priv = r };
    r->f = (it_feed){ .data = &r->d, .len = r->d.len, .rank = (uint32_t)x->rank - 1, .elements = (size_t)it_tensor_len(x), .arrays = true, .alloc = &it_alloc_libc };
    for (int k = 1; k < x->rank; k++) r->f.dim[k - 1] = (uint32_t)x->dim[k];
    for (size_t i = 0; i < IT_LEN(r->label); i++) r->label[i] = (int32_t)it_rng_below(&rng, 4);
}

intact_status rig_try(rig *r, const rig_spec *s)
{
    const it_arch_options a = { .input = { 3, 16, 16 }, .classes = 4, .seed = 3 };
    *r = (rig){ .q = NULL };
    it_graph_init(&r->g, NULL);
    OK(r, it_arch_make(it_arch_find(s->arch), &a, &r->g, &r->err));
    OK(r, it_qat_prepare(&r->g, &r->err));
    OK(r, it_pool_new(NULL, s->threads ? s->threads : 1, &r->pool, &r->err));
    r->job = (it_job){ .pool = r->pool };
    open_data(r);
    it_qat_options o = { .weight_bits = s->weight_bits, .act_bits = s->act_bits, .from = s->from, .keep = s->keep, .per_tensor = s->per_tensor, .delay = s->delay, .feed = &r->f,
                         .job = &r->job, .pool = r->pool };
    IT_TRY(it_qat_find(s->method, &o.method, &r->err));
    return it_qat_new(&r->g, &o, &r->q, &r->err);
}

void rig_open(rig *r, const rig_spec *s)
{
    OK(r, rig_try(r, s));
    const it_train_options o = { .batch = 32, .block = 8, .pool = r->pool, .loss.loss = &it_loss_cross_entropy, .decay = 1e-4, .hooks = it_qat_hooks(r->q),
                                 .optimizer = { .optimizer = &it_optimizer_sgd, .momentum = 0.9 } };
    OK(r, it_train_new(&r->g, &o, &r->t, &r->err));
    r->loop = (it_loop_spec){ .train = r->t, .feed = &r->f, .batch = 32, .seed = 9, .epochs = 2, .feeders = 1, .schedule = { .schedule = &it_schedule_cosine, .rate = 0.02 } };
    it_qat_state(r->q, &r->loop.extra, &r->loop.extra_len);
}

void rig_close(rig *r)
{
    it_train_free(r->t);
    it_qat_free(r->q);
    it_pool_free(r->pool);
    it_graph_release(&r->g);
}

void rig_program_hash(rig *r, char hex[65])
{
    it_graph f;
    it_lower lw = { 0 };
    it_prog prog;
    it_sha256 h;
    void *bytes;
    size_t len;
    OK(r, it_qat_finish(r->q, r->t, &f, &r->err));
    it_prog_init(&prog, NULL);
    OK(r, it_lower_build(&lw, &f, NULL, &prog, NULL, &r->err));
    prog.meta = "{}";
    OK(r, it_prog_check(&prog, &r->err));
    OK(r, it_itm_write_memory(&prog, NULL, &bytes, &len, &r->err));
    it_sha256_init(&h);
    it_sha256_add(&h, bytes, len);
    it_sha256_hex(&h, hex);
    it_alloc_free(&it_alloc_libc, bytes, len);
    it_lower_release(&lw);
    it_prog_release(&prog);
    it_graph_release(&f);
}
