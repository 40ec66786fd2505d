/* SPDX-License-Identifier: Apache-2.0 */
/* Small networks for the tests of lowering. */
#include "lower/helpers.h"

#include "format/format.h"

#define OK(call) do { intact_status st_ = (call); if (st_ != INTACT_OK) fail_msg("%s: %s", t->err.where, t->err.message); } while (0)

void net_init(net *t, uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    it_graph_init(&t->g, &it_alloc_libc);
    t->g.name = "net";
    it_rng_seed(&t->rng, seed);
    t->opset = t->g.opset = 13;
}

static void drop_program(net *t)
{
    if (t->lowered) {
        it_lower_release(&t->lw);
        it_prog_release(&t->prog);
    }
    t->lowered = false;
}

void net_free(net *t)
{
    drop_program(t);
    it_graph_release(&t->g);
    free(t->x_real);
    free(t->x_codes);
    free(t->y_float);
    free(t->y_int);
}

float net_uniform(net *t, float lo, float hi)
{
    return lo + (hi - lo) * (float)(it_rng_next(&t->rng) >> 40) / (float)(1 << 24);
}

static it_value *fresh(net *t, const char *what)
{
    char name[32];
    snprintf(name, sizeof(name), "%s%d", what, t->made++);
    return it_graph_value(&t->g, name);
}

it_quant *net_quant(net *t, intact_type type, float lo, float hi)
{
    it_quant *q = it_arena_new(&t->g.arena, sizeof(*q));
    lo = lo > 0 ? 0 : lo;
    hi = hi < 0 ? 0 : hi;
    *q = (it_quant){ .type = type, .bits = type == INTACT_U8 ? 8 : 16, .axis = -1, .len = 1 };
    q->scale = it_arena_new(&t->g.arena, sizeof(float));
    q->zero = it_arena_new(&t->g.arena, sizeof(int32_t));
    if (hi - lo < 1e-6f)
        hi = lo + 1e-6f;
    q->scale[0] = type == INTACT_U8 ? (hi - lo) / 255 : (hi > -lo ? hi : -lo) / 32767;
    q->zero[0] = type == INTACT_U8 ? (int32_t)floorf(-lo / q->scale[0] + 0.5f) : 0;
    return q;
}

/* Position in runtime order of ONNX element i. */
static int64_t runtime_index(const it_tensor *v, int64_t i)
{
    int64_t index[IT_RANK_MAX], at = 0;
    uint32_t dims[INTACT_RANK_MAX];
    it_runtime_dims(v, dims);
    for (int k = v->rank - 1; k >= 0; k--) {
        index[it_runtime_axis(v->rank, k)] = i % v->dim[k];
        i /= v->dim[k];
    }
    for (int k = 0; k < v->rank; k++)
        at = at * dims[k] + index[k];
    return at;
}

it_value *net_input(net *t, intact_type type, float lo, float hi, int rank, const int64_t *dim)
{
    it_value *v = t->x = fresh(t, "x");
    int64_t len;
    v->t = (it_tensor){ .type = IT_F32, .rank = rank };
    v->is_input = true;
    v->declared_rank = rank;
    for (int k = 0; k < rank; k++)
        v->t.dim[k] = v->declared[k] = dim[k];
    v->q = net_quant(t, type, lo, hi);
    assert_true(IT_VEC_ROOM(t->g.alloc, t->g.inputs));
    t->g.inputs.items[t->g.inputs.len++] = v;
    len = it_tensor_len(&v->t);
    t->x_real = malloc((size_t)len * sizeof(float));
    t->x_codes = malloc((size_t)len * 2);
    for (int64_t i = 0; i < len; i++) {
        int32_t code = type == INTACT_U8 ? (int32_t)it_rng_below(&t->rng, 256) : (int32_t)it_rng_below(&t->rng, 65535) - 32767;
        t->x_real[i] = v->q->scale[0] * (float)(code - v->q->zero[0]);
        if (type == INTACT_U8)
            ((uint8_t *)t->x_codes)[runtime_index(&v->t, i)] = (uint8_t)code;
        else
            ((int16_t *)t->x_codes)[runtime_index(&v->t, i)] = (int16_t)code;
    }
    return v;
}

it_value *net_const(net *t, int rank, const int64_t *dim, float lo, float hi)
{
    it_tensor v = { .type = IT_F32, .rank = rank };
    char name[32];
    it_value *out;
    memcpy(v.dim, dim, (size_t)rank * sizeof(*dim));
    v.data = malloc(it_tensor_bytes(&v) + 1);
    for (int64_t i = 0; i < it_tensor_len(&v); i++)
        ((float *)v.data)[i] = net_uniform(t, lo, hi);
    snprintf(name, sizeof(name), "c%d", t->made++);
    out = it_graph_const(&t->g, name, &v);
    free(v.data);
    assert_non_null(out);
    return out;
}

it_value *net_shape(net *t, int rank, const int64_t *dim)
{
    it_tensor v = { .type = IT_I64, .rank = 1, .dim = { rank } };
    char name[32];
    int64_t copy[IT_RANK_MAX];
    memcpy(copy, dim, (size_t)rank * sizeof(*dim));
    v.data = copy;
    snprintf(name, sizeof(name), "s%d", t->made++);
    return it_graph_const(&t->g, name, &v);
}

it_value *net_weight(net *t, int rank, const int64_t *dim, int axis)
{
    it_value *v = net_const(t, rank, dim, -1, 1);
    int64_t len = it_tensor_len(&v->t), inner = 1;
    it_quant *q = it_arena_new(&t->g.arena, sizeof(*q));
    int8_t *codes = it_arena_new(&t->g.arena, (size_t)len);
    float *data = v->t.data;
    for (int k = axis + 1; k < rank; k++)
        inner *= dim[k];
    *q = (it_quant){ .type = INTACT_S8, .bits = 8, .axis = axis, .len = dim[axis], .codes = codes };
    q->scale = it_arena_new(&t->g.arena, (size_t)q->len * sizeof(float));
    q->zero = it_arena_new(&t->g.arena, (size_t)q->len * sizeof(int32_t));
    for (int64_t c = 0; c < q->len; c++)
        q->scale[c] = net_uniform(t, 0.002f, 0.02f);
    for (int64_t i = 0; i < len; i++) {
        codes[i] = (int8_t)((int)it_rng_below(&t->rng, 255) - 127);
        data[i] = q->scale[i / inner % q->len] * (float)codes[i];
    }
    v->q = q;
    return v;
}

it_value *net_node(net *t, const char *onnx, it_value *const *in, const it_attr *attrs)
{
    const it_op *op = it_op_find(onnx, "", t->opset);
    int in_len = 0, attrs_len = 0;
    char name[48];
    it_node *n;
    assert_non_null(op);
    while (in[in_len])
        in_len++;
    while (attrs && attrs[attrs_len].name)
        attrs_len++;
    snprintf(name, sizeof(name), "%s%d", op->name, t->made++);
    n = it_graph_node(&t->g, name, op, in_len, 1);
    memcpy(n->in, in, (size_t)in_len * sizeof(*in));
    n->out[0] = fresh(t, "v");
    n->out[0]->producer = n;
    n->opset = t->opset;
    if (attrs_len) {
        it_attr *copy = it_arena_copy(&t->g.arena, attrs, sizeof(*copy) * (size_t)attrs_len);
        for (int i = 0; i < attrs_len; i++)
            if (copy[i].kind == IT_ATTR_INTS)
                copy[i].ints = it_arena_copy(&t->g.arena, copy[i].ints, copy[i].len * sizeof(int64_t));
        n->attrs = copy;
        n->attrs_len = attrs_len;
    }
    OK(it_node_parse(&t->g, n, &t->err));
    return n->out[0];
}

typedef struct measure { net *t; intact_type type; } measure;

static intact_status on_value(void *user, const it_value *v, const it_tensor *data, intact_error *err)
{
    measure *m = user;
    it_value *w = m->t->g.values.items[0];
    float lo = INFINITY, hi = -INFINITY;
    const it_op_quant *rule = v->producer ? &v->producer->op->quant : NULL;
    (void)err;
    for (size_t i = 0; i < m->t->g.values.len; i++)
        if (m->t->g.values.items[i] == v)
            w = m->t->g.values.items[i];
    if (w->q || data->type != IT_F32)
        return INTACT_OK;
    for (int64_t i = 0; i < it_tensor_len(data); i++) {
        float x = ((const float *)data->data)[i];
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
    }
    w->q = rule && rule->out == IT_Q_SAME ? v->producer->in[0]->q : net_quant(m->t, m->type, lo, hi);
    return INTACT_OK;
}

void net_measure(net *t, it_value *y, intact_type type)
{
    measure m = { t, type };
    it_exec_options opt = { .hook = on_value, .hook_user = &m };
    it_exec *e = NULL;
    it_tensor in;
    const it_tensor *out;
    t->y = y;
    y->is_output = true;
    assert_true(IT_VEC_ROOM(t->g.alloc, t->g.outputs));
    t->g.outputs.items[t->g.outputs.len++] = y;
    OK(it_graph_infer(&t->g, 1, NULL, &t->err));
    in = t->x->t;
    in.data = t->x_real;
    OK(it_exec_new(&t->g, &opt, &e, &t->err));
    OK(it_exec_run(e, &in, 1, &t->err));
    out = it_exec_output(e, 0);
    t->y_len = it_tensor_len(out);
    t->y_float = malloc((size_t)t->y_len * sizeof(float));
    memcpy(t->y_float, out->data, (size_t)t->y_len * sizeof(float));
    it_exec_free(e);
}

intact_status net_lower(net *t, const intact_alloc *alloc)
{
    intact_status st;
    drop_program(t);
    it_prog_init(&t->prog, alloc);
    t->prog.meta = "{}";
    t->lowered = true;
    st = it_lower_build(&t->lw, &t->g, NULL, &t->prog, alloc, &t->err);
    t->note[0] = 0;
    if (t->lw.notes.len)
        snprintf(t->note, sizeof(t->note), "%s", t->lw.notes.items[0].text);
    return st;
}

int net_count(const net *t, const it_instr *kind)
{
    int count = 0;
    for (size_t i = 0; i < t->prog.instrs.len; i++)
        count += !kind || t->prog.instrs.items[i].kind == kind;
    return count;
}

static void run_integer(net *t)
{
    it_pack_options opt = { .alloc = &it_alloc_libc, .cpu = INTACT_CPU_SCALAR, .threads = 1 };
    intact_program *p = NULL;
    intact_session *s = NULL;
    const it_quant *q = t->y->q;
    const void *in[1] = { t->x_codes };
    void *out[1] = { aligned_alloc(64, ((size_t)t->y_len * 2 + 63) / 64 * 64) };
    OK(it_program_pack(&t->prog, &opt, &p, &t->err));
    t->lowered = false; /* the program owns it now; the notes are ours */
    it_lower_release(&t->lw);
    OK(intact_session_new(p, NULL, &s, &t->err));
    OK(intact_session_run(s, in, 1, out, 1, &t->err));
    t->y_int = malloc((size_t)t->y_len * sizeof(float));
    for (int64_t i = 0; i < t->y_len; i++) {
        int64_t at = runtime_index(&t->y->t, i);
        int32_t code = q->type == INTACT_U8 ? ((uint8_t *)out[0])[at] : ((int16_t *)out[0])[at];
        t->y_int[i] = q->scale[0] * (float)(code - q->zero[0]);
    }
    free(out[0]);
    intact_session_free(s);
    intact_program_free(p);
}

void net_check_near(net *t, double steps, double rel)
{
    const it_quant *q = t->y->q;
    double lo = (double)q->scale[0] * ((q->type == INTACT_U8 ? 0 : -32767) - q->zero[0]);
    double hi = (double)q->scale[0] * ((q->type == INTACT_U8 ? 255 : 32767) - q->zero[0]);
    OK(net_lower(t, &it_alloc_libc));
    run_integer(t);
    for (int64_t i = 0; i < t->y_len; i++) {
        double want = t->y_float[i] < lo ? lo : t->y_float[i] > hi ? hi : (double)t->y_float[i];
        if (!(fabs((double)t->y_int[i] - want) <= steps * (double)q->scale[0] + rel * fabs(want)))
            fail_msg("element %lld: integers say %.9g, float %.9g; scale %g", (long long)i, (double)t->y_int[i], (double)t->y_float[i],
                     (double)q->scale[0]);
    }
}

void net_check(net *t, double steps)
{
    net_check_near(t, steps, 1e-6);
}

void net_codes(net *t, intact_cpu cpu, uint32_t threads, void *out)
{
    void *bytes = NULL;
    size_t len = 0;
    intact_program *p = NULL;
    intact_session *s = NULL;
    OK(net_lower(t, &it_alloc_libc));
    OK(it_itm_write_memory(&t->prog, NULL, &bytes, &len, &t->err));
    OK(intact_program_load_memory(bytes, len, &(intact_load_options){ .cpu = cpu, .threads = threads }, &p, &t->err));
    OK(intact_session_new(p, &(intact_session_options){ .batch = 1, .threads = threads }, &s, &t->err));
    OK(intact_session_run(s, &(const void *){ t->x_codes }, 1, &out, 1, &t->err));
    intact_session_free(s);
    intact_program_free(p);
    it_alloc_free(NULL, bytes, len);
}

static intact_status read_turned(const it_dataset *d, size_t i, it_item *out, intact_error *err)
{
    const net *t = d->priv;
    (void)err;
    out->len = (size_t)it_tensor_len(&t->x->t);
    out->array = it_alloc_new(d->alloc, out->len * sizeof(float));
    for (size_t k = 0; k < out->len; k++)
        out->array[k] = t->x_real[(k + 7 * i) % out->len] * (1 - (float)i / (float)(2 * d->len));
    return INTACT_OK;
}

void net_data_open(net_data *s, net *t, size_t samples, uint32_t threads)
{
    static const it_data_kind KIND = { .name = "memory", .read = read_turned };
    *s = (net_data){ .d = { .kind = &KIND, .alloc = &it_alloc_libc, .len = samples, .priv = t } };
    s->f = (it_feed){ .data = &s->d, .len = samples, .rank = (uint32_t)t->x->t.rank - 1, .elements = (size_t)it_tensor_len(&t->x->t), .arrays = true, .alloc = &it_alloc_libc };
    for (int k = 1; k < t->x->t.rank; k++)
        s->f.dim[k - 1] = (uint32_t)t->x->t.dim[k];
    OK(it_pool_new(&it_alloc_libc, threads, &s->pool, &t->err));
}

void net_data_close(net_data *s) { it_pool_free(s->pool); }
