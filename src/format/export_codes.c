/* SPDX-License-Identifier: Apache-2.0 */
/* export_codes.c: instructions that move codes or look them up: said in ONNX without a real number, so bit for bit. */
#include <string.h>

#include "format/export.h"

/* ---- moving ---- */

/* Where the program's axis is in ONNX's order. */
static int64_t axis_of(const it_ptensor *t, uint32_t axis)
{
    return t->rank < 3 || axis == 0 ? axis : axis == t->rank - 1 ? 1 : axis + 1;
}

void it_export_concat(it_exporter *e, const it_pinstr *i)
{
    const it_concat_args *a = i->args;
    it_value **in = it_export_room(e, i->in_len, sizeof *in);
    for (uint32_t k = 0; in && k < i->in_len; k++)
        in[k] = it_export_codes(e, i->in[k]);
    if (in)
        it_export_set_all(e, i->out[0], it_export_node(e, "Concat", in, (int)i->in_len, IT_EX_ATTRS(IT_EX_INT("axis", axis_of(it_out(e->p, i, 0), a->axis)))));
}

/* ONNX Runtime pads uint8 but not int16. */
void it_export_pad(it_exporter *e, const it_pinstr *i)
{
    static const char *const modes[] = { "constant", "edge", "reflect" };
    const it_pad_args *a = i->args;
    const it_ptensor *x = it_in(e->p, i, 0);
    const uint32_t before[4] = { 0, a->before_1, a->before_2, a->before_3 }, after[4] = { 0, a->after_1, a->after_2, a->after_3 };
    const bool wide = x->type != INTACT_U8;
    int64_t pads[8] = { 0 };
    for (uint32_t k = 0; k < x->rank; k++) {
        pads[axis_of(x, k)] = before[k];
        pads[x->rank + axis_of(x, k)] = after[k];
    }
    it_value *v = it_export_codes(e, i->in[0]), *by = it_export_dims(e, "_pads", pads, 2 * (int64_t)x->rank);
    it_value *with = a->mode == 0 ? it_export_one(e, "_pad", wide ? IT_I32 : IT_U8, a->value) : NULL;
    const it_attr attrs[] = { { .name = "mode", .kind = IT_ATTR_STRING, .s = modes[a->mode] }, { .name = NULL } };
    v = wide ? it_export_cast(e, v, IT_I32) : v;
    v = it_export_node(e, "Pad", (it_value *const[]){ v, by, with }, with ? 3 : 2, attrs);
    it_export_set_all(e, i->out[0], wide ? it_export_cast(e, v, IT_I16) : v);
}

/* ---- resizing ---- */

typedef struct resize_axis { const int32_t *first, *second, *weight; int64_t in, out; int onnx; } resize_axis;

/* The whole factor of an axis that repeats each element as often; 0: it does something else. */
static int64_t repeats(const resize_axis *ax)
{
    const int64_t times = ax->out / ax->in;
    for (int64_t k = 0; k < ax->out; k++)
        if (times * ax->in != ax->out || ax->weight[k] != 0 || ax->first[k] != k / times)
            return 0;
    return times;
}

static bool nearest(const resize_axis *ax)
{
    for (int64_t k = 0; k < ax->out; k++)
        if (ax->weight[k] != 0)
            return false;
    return true;
}

static it_value *gather(it_exporter *e, it_value *v, const resize_axis *ax, const int32_t *index)
{
    it_value *at = it_export_const(e, "_index", IT_I32, 1, &ax->out, index);
    return it_export_node(e, "Gather", IT_EX_IN(v, at), IT_EX_ATTRS(IT_EX_INT("axis", ax->onnx)));
}

/* (2048 - w) x[first] + w x[second] along one axis; times 2048 where there is nothing to mix. v: int32 or int64. */
static it_value *mix(it_exporter *e, it_value *v, const resize_axis *ax, it_type type, int rank)
{
    int64_t dim[4] = { 1, 1, 1, 1 }, *w = it_export_room(e, (size_t)ax->out * 2, sizeof *w);
    int32_t *w32 = it_export_room(e, (size_t)ax->out * 2, sizeof *w32);
    dim[ax->onnx] = ax->out;
    for (int64_t k = 0; w && w32 && k < ax->out; k++) {
        w[k] = w32[k] = 2048 - ax->weight[k];
        w[ax->out + k] = w32[ax->out + k] = ax->weight[k];
    }
    if (!w || !w32)
        return NULL;
    const bool wide = type == IT_I64;
    it_value *w0 = it_export_const(e, "_weight", type, rank, dim, wide ? (const void *)w : w32);
    it_value *w1 = it_export_const(e, "_weight", type, rank, dim, wide ? (const void *)(w + ax->out) : w32 + ax->out);
    it_value *a = it_export_node(e, "Mul", IT_EX_IN(gather(e, v, ax, ax->first), w0), NULL);
    it_value *b = it_export_node(e, "Mul", IT_EX_IN(gather(e, v, ax, ax->second), w1), NULL);
    return it_export_node(e, "Add", IT_EX_IN(a, b), NULL);
}

/* Both axes, then (sum + 2^21) >> 22. s16: shifted up so that the division, which truncates, sees no negative number. */
static it_value *interpolate(it_exporter *e, it_value *v, const resize_axis *ax, intact_type t, int rank)
{
    const it_type type = t == INTACT_U8 ? IT_I32 : IT_I64;
    const double up = t == INTACT_U8 ? 0 : 32768;
    v = it_export_cast(e, v, type);
    for (int k = 0; k < 2; k++)
        v = ax[k].onnx ? mix(e, v, &ax[k], type, rank) : it_export_node(e, "Mul", IT_EX_IN(v, it_export_one(e, "_one", type, 2048)), NULL);
    v = it_export_node(e, "Add", IT_EX_IN(v, it_export_one(e, "_half", type, up * (1 << 22) + (1 << 21))), NULL);
    v = it_export_node(e, "Div", IT_EX_IN(v, it_export_one(e, "_whole", type, 1 << 22)), NULL);
    if (up > 0)
        v = it_export_node(e, "Sub", IT_EX_IN(v, it_export_one(e, "_up", type, up)), NULL);
    return it_export_cast(e, v, it_export_type(t));
}

void it_export_resize(it_exporter *e, const it_pinstr *i)
{
    const it_resize_args *a = i->args;
    const it_ptensor *x = it_in(e->p, i, 0);
    uint32_t xs[3], ys[3];
    it_ptensor_nhwc(x, xs);
    it_ptensor_nhwc(it_out(e->p, i, 0), ys);
    const int rank = (int)x->rank;
    const resize_axis ax[2] = { /* rank 3 has no height; its rows are one */
        { it_const(e->p, a->h0)->data, it_const(e->p, a->h1)->data, it_const(e->p, a->wh)->data, xs[0], ys[0], rank == 4 ? 2 : 0 },
        { it_const(e->p, a->w0)->data, it_const(e->p, a->w1)->data, it_const(e->p, a->ww)->data, xs[1], ys[1], rank - 1 },
    };
    it_value *v = it_export_codes(e, i->in[0]);
    const int64_t th = repeats(&ax[0]), tw = repeats(&ax[1]);
    if (x->type == INTACT_U8 && th && tw) {
        const float scales[4] = { 1, 1, rank == 4 ? (float)th : (float)tw, (float)tw };
        const int64_t len = rank;
        const it_attr attrs[] = { { .name = "mode", .kind = IT_ATTR_STRING, .s = "nearest" },
                                  { .name = "coordinate_transformation_mode", .kind = IT_ATTR_STRING, .s = "asymmetric" },
                                  { .name = "nearest_mode", .kind = IT_ATTR_STRING, .s = "floor" },
                                  { .name = NULL } };
        it_value *by = it_export_const(e, "_scales", IT_F32, 1, &len, scales);
        v = it_export_node(e, "Resize", IT_EX_IN(v, NULL, by), attrs);
    } else if (nearest(&ax[0]) && nearest(&ax[1])) {
        v = ax[0].onnx ? gather(e, v, &ax[0], ax[0].first) : v;
        v = gather(e, v, &ax[1], ax[1].first);
    } else {
        v = interpolate(e, v, ax, x->type, rank);
    }
    it_export_set_all(e, i->out[0], v);
}

/* ---- tables ---- */

static it_value *look_up(it_exporter *e, it_value *index, it_type type, int64_t len, const void *table)
{
    it_value *t = it_export_const(e, "_table", type, 1, &len, table);
    return it_export_node(e, "Gather", IT_EX_IN(t, index), NULL);
}

/* s16: the interpolated table, entry by entry: one look-up instead of a dozen operators. */
void it_export_lut(it_exporter *e, const it_pinstr *i)
{
    const it_lut_args *a = i->args;
    const it_ptensor *x = it_in(e->p, i, 0), *y = it_out(e->p, i, 0);
    it_value *v = it_export_cast(e, it_export_codes(e, i->in[0]), IT_I32);
    if (x->type == INTACT_U8) {
        it_export_set_all(e, i->out[0], look_up(e, v, it_export_type(y->type), 256, it_const(e->p, a->table)->data));
        return;
    }
    const int16_t *t = it_const(e->p, a->table)->data;
    int16_t *all = it_export_room(e, 65536, sizeof *all);
    for (int32_t u = 0; all && u < 65536; u++)
        all[u] = (int16_t)((t[u >> 7] * (128 - (u & 127)) + t[(u >> 7) + 1] * (u & 127) + 64) >> 7);
    v = it_export_node(e, "Add", IT_EX_IN(v, it_export_one(e, "_first", IT_I32, 32768)), NULL);
    it_export_set_all(e, i->out[0], look_up(e, v, IT_I16, 65536, all));
}

/* (N, H, W, source) bytes to codes, a table a channel: entry channel * 256 + byte. */
void it_export_pixels(it_exporter *e, const it_pinstr *i)
{
    if (!e->opt.pixels)
        return; /* the codes are a graph input behind a QuantizeLinear already */
    const it_pixels_args *a = i->args;
    const it_ptensor *x = it_in(e->p, i, 0), *y = it_out(e->p, i, 0);
    const int64_t channels = y->dims[y->rank - 1], dim[4] = { 1, channels, 1, 1 }, order[4] = { 0, 3, 1, 2 };
    const int32_t *source = it_const(e->p, a->source)->data;
    int32_t *first = it_export_room(e, (size_t)channels, sizeof *first);
    bool same = x->dims[x->rank - 1] == channels;
    for (int64_t c = 0; first && c < channels; c++) {
        first[c] = (int32_t)c * 256;
        same &= source[c] == c;
    }
    it_value *v = it_export_node(e, "Transpose", IT_EX_IN(it_export_codes(e, i->in[0])), IT_EX_ATTRS(IT_EX_INTS("perm", order, 4)));
    if (!same)
        v = it_export_node(e, "Gather", IT_EX_IN(v, it_export_const(e, "_source", IT_I32, 1, &channels, source)), IT_EX_ATTRS(IT_EX_INT("axis", 1)));
    v = it_export_cast(e, v, IT_I32);
    v = it_export_node(e, "Add", IT_EX_IN(v, it_export_const(e, "_first", IT_I32, 4, dim, first)), NULL);
    it_export_set_all(e, i->out[0], look_up(e, v, IT_U8, channels * 256, it_const(e->p, a->table)->data));
}

/* From u8 it is a table, as it is in the runtime; a pair of quantizations would be merged by those who optimize, and round once less. */
void it_export_requantize(it_exporter *e, const it_pinstr *i)
{
    const it_requantize_args *a = i->args;
    const it_ptensor *x = it_in(e->p, i, 0), *y = it_out(e->p, i, 0);
    if (x->type != INTACT_U8) {
        it_export_quantize(e, i->out[0], it_export_real_at(e, i->in[0], it_export_scale_of(y) * it_export_factor(a->mult, a->shift)), a->lo, a->hi);
        return;
    }
    uint8_t narrow[256];
    int16_t wide[256];
    for (int32_t q = 0; q < 256; q++) {
        int32_t v = it_requant(q - x->zero_point, a->mult, (int32_t)a->shift, y->zero_point, a->lo, a->hi);
        narrow[q] = (uint8_t)v;
        wide[q] = (int16_t)v;
    }
    it_value *v = it_export_cast(e, it_export_codes(e, i->in[0]), IT_I32);
    it_export_set_all(e, i->out[0], look_up(e, v, it_export_type(y->type), 256, y->type == INTACT_U8 ? (const void *)narrow : wide));
}

/* The formula itself, in int64: y = (e[d] * y_one + sum / 2) / sum, nothing of it negative. */
void it_export_softmax(it_exporter *e, const it_pinstr *i)
{
    const it_softmax_args *a = i->args;
    const it_pconst *table = it_const(e->p, a->table);
    const uint32_t *from = table->data;
    int64_t *to = it_export_room(e, (size_t)table->len, sizeof *to), channels = 1;
    for (uint64_t k = 0; to && k < table->len; k++)
        to[k] = from[k];
    it_value *axis = it_export_dims(e, "_axis", &channels, 1), *x = it_export_cast(e, it_export_codes(e, i->in[0]), IT_I64);
    it_value *most = e->g->opset < 18 ? it_export_node(e, "ReduceMax", IT_EX_IN(x), IT_EX_ATTRS(IT_EX_INTS("axes", &channels, 1)))
                                      : it_export_node(e, "ReduceMax", IT_EX_IN(x, axis), NULL);
    it_value *d = it_export_node(e, "Sub", IT_EX_IN(most, x), NULL);
    if (a->d_shift)
        d = it_export_node(e, "Div", IT_EX_IN(d, it_export_one(e, "_step", IT_I64, (double)(1u << a->d_shift))), NULL);
    d = it_export_node(e, "Clip", IT_EX_IN(d, it_export_one(e, "_first", IT_I64, 0), it_export_one(e, "_last", IT_I64, (double)table->len - 1)), NULL);
    d = look_up(e, d, IT_I64, (int64_t)table->len, to);
    it_value *sum = it_export_node(e, "ReduceSum", IT_EX_IN(d, axis), NULL);
    it_value *half = it_export_node(e, "Div", IT_EX_IN(sum, it_export_one(e, "_two", IT_I64, 2)), NULL);
    d = it_export_node(e, "Mul", IT_EX_IN(d, it_export_one(e, "_one", IT_I64, a->y_one)), NULL);
    d = it_export_node(e, "Div", IT_EX_IN(it_export_node(e, "Add", IT_EX_IN(d, half), NULL), sum), NULL);
    it_export_set_all(e, i->out[0], it_export_cast(e, d, it_export_type(it_out(e->p, i, 0)->type)));
}

/* ---- ranking ---- */

void it_export_argmax(it_exporter *e, const it_pinstr *i)
{
    const it_argmax_args *a = i->args;
    const it_ptensor *x = it_in(e->p, i, 0), *y = it_out(e->p, i, 0);
    const bool keep = y->rank == x->rank && y->dims[y->rank - 1] == 1; /* the same positions in the same order */
    it_value *v = it_export_codes(e, i->in[0]);
    v = x->type == INTACT_U8 ? v : it_export_cast(e, v, IT_I32); /* ONNX Runtime ranks uint8 and int32, not int16 */
    v = it_export_node(e, a->smallest ? "ArgMin" : "ArgMax", IT_EX_IN(v),
                       IT_EX_ATTRS(IT_EX_INT("axis", 1), IT_EX_INT("keepdims", keep), IT_EX_INT("select_last_index", a->last != 0)));
    const bool plain = keep || (y->rank == 2 && x->rank == 3) || (y->rank == 1 && x->rank == 2);
    it_export_set_all(e, i->out[0], plain ? v : it_export_from_rows(e, i->out[0], v));
}
