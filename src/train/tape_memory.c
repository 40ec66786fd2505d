/* SPDX-License-Identifier: Apache-2.0 */
/* tape_memory.c: when each value, gradient and copy is used, how large blocks are, and where in memory everything lies. */
#include <stdlib.h>
#include <string.h>

#include "exec/buffers.h"
#include "train/tape.h"

/* ---- buffers ---- */

uint32_t it_tape_root(const it_train *t, uint32_t buf)
{
    while (t->bufs.items[buf].root != buf) buf = t->bufs.items[buf].root;
    return buf;
}

uint32_t it_tape_buf_new(it_train *t, size_t per_sample, size_t fixed)
{
    if (!IT_VEC_ROOM(t->alloc, t->bufs)) return IT_TAPE_NO;
    t->bufs.items[t->bufs.len] = (it_tape_buf){ .per_sample = per_sample, .fixed = fixed, .first = UINT32_MAX, .root = (uint32_t)t->bufs.len, .packed = IT_TAPE_NO };
    return (uint32_t)t->bufs.len++;
}

void it_tape_use(it_train *t, uint32_t buf, uint32_t time)
{
    if (buf == IT_TAPE_NO) return;
    it_tape_buf *b = &t->bufs.items[it_tape_root(t, buf)];
    if (time < b->first) b->first = time;
    if (time > b->last) b->last = time;
}

static intact_status buf_at(it_train *t, uint32_t *buf, size_t per_sample, size_t fixed, uint32_t time, intact_error *err)
{
    if (*buf == IT_TAPE_NO) *buf = it_tape_buf_new(t, per_sample, fixed);
    if (*buf == IT_TAPE_NO) return it_fail_nomem(err, t->g->name, sizeof(it_tape_buf));
    it_tape_use(t, *buf, time);
    return INTACT_OK;
}

/* The content of buf at that time: where it was computed in the same pass it lies there still, else it may be kept packed, and *unpack is what it comes
** to lie in. */
static intact_status read_at(it_train *t, uint32_t buf, uint32_t time, uint32_t *unpack, intact_error *err)
{
    const uint32_t root = it_tape_root(t, buf);
    const it_tape_buf b = t->bufs.items[root];
    if (!b.packs || it_tape_pass(t, time) == it_tape_pass(t, b.born)) {
        it_tape_use(t, root, time);
        return INTACT_OK;
    }
    uint32_t packed = b.packed;
    IT_TRY(buf_at(t, &packed, b.per_sample / 2, 0, b.born, err));
    it_tape_use(t, packed, time);
    t->bufs.items[root].packed = packed;
    return buf_at(t, unpack, b.per_sample, 0, time, err);
}

/* Bytes of a sample, or of a block of any size. */
static void extent(const it_train *t, const it_value *v, size_t *per_sample, size_t *fixed)
{
    const it_tensor *a = &t->sizes[0].shape[v->id], *b = &t->sizes[1].shape[v->id];
    const size_t x = it_tensor_bytes(a), y = it_tensor_bytes(b);
    *per_sample = y > x ? (y - x) / (size_t)(t->sizes[1].n - t->sizes[0].n) : 0;
    *fixed = x - *per_sample * (size_t)t->sizes[0].n;
}

/* ---- shapes ---- */

static void size_free(it_train *t, int i)
{
    it_tape_size *s = &t->sizes[i];
    for (uint32_t w = 0; t->worker && w < t->workers; w++)
        for (size_t k = 0; t->worker[w].state && k < 2 * (t->nodes_len + 1); k++) {
            it_op_state **state = &t->worker[w].state[(size_t)i * 2 * (t->nodes_len + 1) + k];
            if (*state) (*state)->free(*state);
            *state = NULL;
        }
    s->n = 0;
}

intact_status it_tape_size_of(it_train *t, int64_t n, int *out, intact_error *err)
{
    int best = 2; /* 0 and 1 stay: they tell how sizes grow */
    for (int i = 0; i < IT_TAPE_SIZES; i++)
        if (t->sizes[i].n == n) {
            t->sizes[i].used = ++t->size_clock;
            *out = i;
            return INTACT_OK;
        }
    for (int i = 0; i < IT_TAPE_SIZES && t->sizes[best].n != 0; i++)
        if (t->sizes[i].n == 0 || (i >= 2 && t->sizes[i].used < t->sizes[best].used)) best = i;
    for (int i = 0; i < best; i++)
        if (t->sizes[i].n == 0) best = i;
    it_tape_size *s = &t->sizes[best];
    size_free(t, best);
    if (!s->shape) s->shape = it_arena_new(&t->arena, (t->g->values.len + 1) * sizeof *s->shape);
    if (!s->shape) return it_fail_nomem(err, t->g->name, t->g->values.len * sizeof *s->shape);
    IT_TRY(it_graph_infer(t->g, n, NULL, err));
    for (size_t i = 0; i < t->g->values.len; i++) {
        s->shape[i] = t->g->values.items[i]->t;
        if (!t->g->values.items[i]->is_const) s->shape[i].data = NULL;
    }
    s->n = n;
    s->used = ++t->size_clock;
    *out = best;
    return INTACT_OK;
}

/* ---- forward ---- */

static bool must_turn(const it_train *t, const it_value *v, it_layout layout)
{
    return !v->is_const && t->values[v->id].cell[0].layout != layout && !it_layout_same(&t->sizes[0].shape[v->id]);
}

static intact_status use_input(it_train *t, it_tape_node *p, int k, int phase, uint32_t time, intact_error *err)
{
    const it_value *v = p->n->in[k];
    size_t per_sample, fixed;
    if (!v || v->is_const) return INTACT_OK;
    IT_TRY(read_at(t, it_tape_used(t, v)->buf, time, &p->in[k].unpack[phase], err));
    if (!must_turn(t, v, p->in[k].layout)) return INTACT_OK;
    extent(t, v, &per_sample, &fixed);
    return buf_at(t, &p->in[k].copy[phase], per_sample, fixed, time, err);
}

static intact_status make_cells(it_train *t, const it_value *v, uint32_t alias, uint32_t time, intact_error *err)
{
    it_tape_value *x = &t->values[v->id];
    size_t per_sample, fixed;
    extent(t, v, &per_sample, &fixed);
    IT_TRY(buf_at(t, &x->cell[0].buf, per_sample, fixed, time, err));
    x->cell[0].live = true;
    it_tape_buf *b = &t->bufs.items[x->cell[0].buf];
    b->packs = t->opt.compact && !t->opt.hooks && !fixed && per_sample && v != t->answers && v->producer && t->sizes[0].shape[v->id].type == IT_F32 && v->producer->out[0] == v;
    b->born = time;
    if (alias != IT_TAPE_NO) {
        t->bufs.items[x->cell[0].buf].root = it_tape_root(t, alias);
        it_tape_use(t, alias, time);
    }
    if (!x->hooked) return INTACT_OK;
    x->cell[1].live = true;
    return buf_at(t, &x->cell[1].buf, per_sample, fixed, time, err);
}

static intact_status use_inputs(it_train *t, intact_error *err)
{
    for (size_t i = 0; i < t->g->inputs.len; i++) {
        const it_value *v = t->g->inputs.items[i];
        if (!t->values[v->id].cell[0].live) continue;
        IT_TRY(make_cells(t, v, IT_TAPE_NO, it_tape_forward_time(t, 0, 0), err));
        it_tape_buf *b = &t->bufs.items[t->values[v->id].cell[0].buf];
        if (b->fixed) return it_fail(err, INTACT_E_UNSUPPORTED, v->name, "the input does not grow with the batch; training needs samples");
        b->place = IT_AT_INPUT;
        b->at = i;
    }
    return INTACT_OK;
}

static intact_status use_forward(it_train *t, it_tape_node *p, intact_error *err)
{
    const uint32_t time = it_tape_forward_time(t, p->seg, p->index);
    p->unpack_out = IT_TAPE_NO;
    for (int k = 0; k < p->n->in_len; k++) {
        for (int f = 0; f < IT_PHASES; f++) p->in[k].copy[f] = p->in[k].unpack[f] = IT_TAPE_NO;
        p->in[k].temp = p->in[k].temp2 = IT_TAPE_NO;
        IT_TRY(use_input(t, p, k, IT_PHASE_FORWARD, time, err));
        if (p->gather >= 0) IT_TRY(use_input(t, p, k, IT_PHASE_SUMS, it_tape_forward_time(t, p->gather, p->index), err));
    }
    for (int k = 0; k < p->n->out_len; k++)
        if (p->n->out[k]) IT_TRY(make_cells(t, p->n->out[k], p->alias ? it_tape_used(t, p->n->in[0])->buf : IT_TAPE_NO, time, err));
    return INTACT_OK;
}

/* ---- backward ---- */

static bool gets(const it_train *t, const it_value *v) { return v && t->values[v->id].needs && t->values[v->id].reached; }

/* A node's gradient for its input k, as a part of v's: how many there are, then which is the first. */
static bool contributes(const it_train *t, const it_tape_node *p, int k)
{
    const it_value *v = p->n->in[k];
    if (!p->back || !gets(t, v)) return false;
    if (p->gather >= 0) return k == 0;
    return p->n->op->back->gives >> (k < 31 ? k : 31) & 1;
}

static void count_readers(it_train *t)
{
    t->values[t->answers->id].readers = 1;
    for (size_t i = 1; i <= t->nodes_len; i++)
        for (int k = 0; k < t->nodes[i].n->in_len; k++)
            if (contributes(t, &t->nodes[i], k)) t->values[t->nodes[i].n->in[k]->id].readers++;
}

static intact_status make_grad(it_train *t, const it_value *v, uint32_t time, intact_error *err)
{
    size_t per_sample, fixed;
    extent(t, v, &per_sample, &fixed);
    return buf_at(t, &t->values[v->id].grad, per_sample, fixed, time, err);
}

/* Whether the gradient of input k may lie where that of output 0 lies: nobody else adds to it, and the bytes are in the same order. */
static bool may_share(const it_train *t, const it_tape_node *p, int k)
{
    const it_value *x = p->n->in[k], *y = p->n->out[0];
    if (!y || !gets(t, y) || p->gather >= 0 || t->values[x->id].param != IT_TAPE_NO || t->values[x->id].readers != 1) return false;
    const it_tensor *a = &t->sizes[0].shape[x->id], *b = &t->sizes[0].shape[y->id];
    if (it_tensor_len(a) != it_tensor_len(b) || must_turn(t, x, p->in[k].layout)) return false;
    return p->in[k].layout == p->out_layout[0] || (it_layout_same(a) && it_layout_same(b)) || p->alias;
}

/* When x's gradient is next written after p's contribution, and when it is last read: at its producer, after which it is of no use. */
static void uses_of(const it_train *t, const it_tape_node *p, const it_value *x, uint32_t *next, uint32_t *last, const it_tape_node **producer)
{
    *next = *last = UINT32_MAX;
    *producer = NULL;
    for (size_t i = 1; i <= t->nodes_len; i++) {
        const it_tape_node *q = &t->nodes[i];
        const bool adds = q != p && q->back;
        const uint32_t time = it_tape_back_time(t, q->gather >= 0 ? q->gather : q->seg, q->index);
        for (int k = 0; adds && k < q->n->in_len; k++)
            if (q->n->in[k] == x && contributes(t, q, k) && time < *next) *next = time;
        if (q->n != x->producer) continue;
        *producer = q;
        *last = time;
        const uint32_t first = it_tape_back_time(t, q->seg, q->index);
        if (first < *next) *next = first;
    }
}

/* One buffer may serve two inputs: the gradient of a normalization's answer, which is only read, and then that of x, which is added to when
** the other is done with. How the sum of a residual block hands its gradient on to both sides without a copy. */
static bool may_follow(const it_train *t, const it_tape_node *p, int first, int k)
{
    const it_value *a = p->n->in[first], *b = p->n->in[k];
    const it_tape_node *of_a, *of_b;
    uint32_t next_a, last_a, next_b, last_b;
    if (a == b || t->values[b->id].seen || t->values[b->id].param != IT_TAPE_NO || t->values[a->id].hooked || !b->producer) return false;
    const it_tensor *x = &t->sizes[0].shape[b->id], *y = &t->sizes[0].shape[p->n->out[0]->id];
    if (it_tensor_len(x) != it_tensor_len(y) || must_turn(t, b, p->in[k].layout) || p->in[k].layout != p->out_layout[0]) return false;
    uses_of(t, p, a, &next_a, &last_a, &of_a);
    uses_of(t, p, b, &next_b, &last_b, &of_b);
    return of_a && of_a->gather >= 0 && of_b && last_a < next_b;
}

static void share(it_train *t, it_tape_node *p, int k, uint32_t time)
{
    it_tape_value *x = &t->values[p->n->in[k]->id];
    t->bufs.items[x->grad].root = it_tape_root(t, t->values[p->n->out[0]->id].grad);
    it_tape_use(t, x->grad, time);
    p->in[k].dx = p->n->op->back->pass >> (k < 31 ? k : 31) & 1 ? IT_DX_SHARED : IT_DX_FIRST;
}

/* shared: the input whose gradient lies in dy's memory; -1: none yet. */
static intact_status plan_dx(it_train *t, it_tape_node *p, int k, uint32_t time, int *shared, intact_error *err)
{
    const it_value *v = p->n->in[k];
    it_tape_in *in = &p->in[k];
    it_tape_value *x = &t->values[v->id];
    const it_backward *back = p->n->op->back;
    size_t per_sample, fixed;
    if (x->param != IT_TAPE_NO) {
        in->dx = IT_DX_PARAM;
        return buf_at(t, &in->temp, 0, x->fixed.rank < 0 ? 0 : it_tensor_bytes(&x->fixed), time, err);
    }
    const bool first = !x->seen, turn = must_turn(t, v, in->layout);
    const uint32_t bit = 1u << (k < 31 ? k : 31);
    const bool takes = *shared < 0 && p->gather < 0 && (back->pass | back->inplace) & bit && may_share(t, p, k);
    const bool follows = *shared >= 0 && back->pass & bit && p->in[*shared].dx == IT_DX_SHARED && may_follow(t, p, *shared, k);
    x->seen = true;
    if (takes || follows) {
        if (takes) *shared = k;
        IT_TRY(make_grad(t, v, time, err));
        share(t, p, k, time);
        return INTACT_OK;
    }
    in->dx = turn ? (first ? IT_DX_TURN : IT_DX_TURN_ADD) : (first ? IT_DX_FIRST : IT_DX_ADD);
    IT_TRY(make_grad(t, v, time, err));
    extent(t, v, &per_sample, &fixed);
    if (in->dx != IT_DX_FIRST) IT_TRY(buf_at(t, &in->temp, per_sample, fixed, time, err));
    if (in->dx == IT_DX_TURN_ADD) IT_TRY(buf_at(t, &in->temp2, per_sample, fixed, time, err));
    return INTACT_OK;
}

/* The input that should take over dy's memory first: a normalization's answer, so that another can follow. -1: whichever comes. */
static int leader(const it_train *t, const it_tape_node *p)
{
    for (int k = 0; k < p->n->in_len && p->gather < 0; k++)
        if (contributes(t, p, k) && p->n->op->back->pass >> (k < 31 ? k : 31) & 1 && !t->values[p->n->in[k]->id].seen && may_share(t, p, k) &&
            p->n->in[k]->producer && p->n->in[k]->producer->op->across)
            return k;
    return -1;
}

static void use_hooked(it_train *t, const it_value *v, uint32_t time)
{
    it_tape_value *x = &t->values[v->id];
    if (!x->hooked || !gets(t, v) || !t->opt.hooks->backward) return;
    it_tape_use(t, x->cell[0].buf, time);
    if (t->opt.hooks->reads_y) it_tape_use(t, x->cell[1].buf, time);
}

static intact_status use_back(it_train *t, it_tape_node *p, int phase, uint32_t time, intact_error *err)
{
    const it_node *n = p->n;
    const bool across = p->gather >= 0, give = !across || phase == IT_PHASE_ACROSS;
    int shared = -1;
    for (int k = 0; k < n->out_len; k++) {
        const bool reads = !across && ((n->op->back->reads_out >> (k < 31 ? k : 31) & 1) || (k == 0 && p->clamp)); /* an across computes its clamp's side again */
        if (!n->out[k]) continue;
        if (phase == IT_PHASE_BACK) use_hooked(t, n->out[k], time);
        if (reads && k == 0) IT_TRY(read_at(t, t->values[n->out[k]->id].cell[0].buf, time, &p->unpack_out, err));
        if (reads && k > 0) it_tape_use(t, t->values[n->out[k]->id].cell[0].buf, time); /* never packed */
        if (gets(t, n->out[k])) IT_TRY(make_grad(t, n->out[k], time, err));
    }
    for (int k = 0; k < n->in_len; k++)
        if (n->in[k] && (across ? k == 0 : n->op->back->reads_in >> (k < 31 ? k : 31) & 1)) IT_TRY(use_input(t, p, k, phase, time, err));
    if (!give) return INTACT_OK;
    const int lead = leader(t, p);
    if (lead >= 0) IT_TRY(plan_dx(t, p, lead, time, &shared, err));
    for (int k = 0; k < n->in_len; k++)
        if (k != lead && contributes(t, p, k)) IT_TRY(plan_dx(t, p, k, time, &shared, err));
    return INTACT_OK;
}

static intact_status use_answers(it_train *t, intact_error *err)
{
    const uint32_t time = it_tape_back_time(t, t->answers_seg, (int)t->nodes_len + 1);
    const it_tape_value *x = &t->values[t->answers->id];
    size_t per_sample, fixed;
    extent(t, t->answers, &per_sample, &fixed);
    if (fixed) return it_fail(err, INTACT_E_UNSUPPORTED, t->answers->name, "the answer does not grow with the batch; training needs one a sample");
    t->answers_copy = t->answers_grad = IT_TAPE_NO;
    it_tape_use(t, x->cell[x->hooked ? 1 : 0].buf, time);
    IT_TRY(buf_at(t, &t->answers_copy, per_sample, fixed, time, err)); /* plain, for the whole batch: kept for the caller */
    t->bufs.items[t->answers_copy].place = IT_AT_WHOLE;
    it_tape_use(t, t->answers_copy, it_tape_forward_time(t, 0, 0));
    it_tape_use(t, t->answers_copy, it_tape_back_time(t, 0, 0));
    if (must_turn(t, t->answers, IT_PLAIN)) IT_TRY(buf_at(t, &t->answers_grad, per_sample, fixed, time, err));
    t->values[t->answers->id].seen = true;
    return make_grad(t, t->answers, time, err);
}

/* ---- blocks ---- */

/* Small at first; larger where the gradients of parameters, which every block adds up, would outweigh the samples' numbers. */
static void choose_blocks(it_train *t)
{
    const int64_t eighth = (int64_t)t->opt.batch / 8, limit = eighth < 8 ? 8 : eighth > 64 ? 64 : eighth;
    bool leading = true;
    for (int s = 0; s < t->segs; s++) {
        size_t sample = 0, param = 0;
        for (size_t i = 1; i <= t->nodes_len; i++) {
            const it_tape_node *p = &t->nodes[i];
            size_t per_sample, fixed;
            if (p->seg != s) continue;
            for (int k = 0; k < p->n->out_len; k++)
                if (p->n->out[k]) {
                    extent(t, p->n->out[k], &per_sample, &fixed);
                    sample += per_sample;
                    leading = leading && (per_sample == 0 || (t->sizes[0].shape[p->n->out[k]->id].dim[0] == t->sizes[0].n && fixed == 0));
                }
            for (int k = 0; k < p->n->in_len; k++)
                if (p->n->in[k] && p->n->in[k]->is_const) param += it_tensor_bytes(&p->n->in[k]->t);
        }
        int64_t b = t->opt.block ? (int64_t)t->opt.block : 8;
        while (!t->opt.block && b < limit && (size_t)b * sample < 4 * param) b *= 2;
        t->block[s] = b < (int64_t)t->opt.batch ? b : (int64_t)t->opt.batch;
    }
    for (int s = 0; s < t->segs && !leading; s++) t->block[s] = t->block[0]; /* blocks must be cut alike: samples are not outermost */
}

intact_status it_tape_buffers(it_train *t, intact_error *err)
{
    t->block = it_arena_new(&t->arena, (size_t)t->segs * sizeof *t->block);
    if (!t->block) return it_fail_nomem(err, t->g->name, (size_t)t->segs * sizeof *t->block);
    int size;
    IT_TRY(it_tape_size_of(t, t->sizes[0].n * 2, &size, err));
    choose_blocks(t);
    IT_TRY(use_inputs(t, err));
    for (size_t i = 1; i <= t->nodes_len; i++) IT_TRY(use_forward(t, &t->nodes[i], err));
    count_readers(t);
    IT_TRY(use_answers(t, err));
    for (int s = t->segs - 1; s >= 0; s--)
        for (size_t i = t->nodes_len; i > 0; i--) {
            it_tape_node *p = &t->nodes[i];
            if (!p->back) continue;
            if (p->seg == s) IT_TRY(use_back(t, p, IT_PHASE_BACK, it_tape_back_time(t, s, p->index), err));
            if (p->gather == s) IT_TRY(use_back(t, p, IT_PHASE_ACROSS, it_tape_back_time(t, s, p->index), err));
        }
    for (size_t i = 0; i < t->g->inputs.len; i++) {
        const it_value *v = t->g->inputs.items[i];
        if (gets(t, v)) IT_TRY(make_grad(t, v, it_tape_back_time(t, 0, 0), err));
        use_hooked(t, v, it_tape_back_time(t, 0, 0));
    }
    return it_tape_place_all(t, err);
}
