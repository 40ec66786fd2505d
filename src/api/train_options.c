/* SPDX-License-Identifier: Apache-2.0 */
/* train_options.c: a training run's options checked and resolved; as settings, by which a run knows its checkpoint again. */
#include <math.h>
#include <string.h>

#include "api/train_job.h"
#include "base/cpu.h"

#define BATCH_USUAL 128
#define MOMENTUM_USUAL 0.9
#define SHARE_USUAL 0.9 /* of the teacher, at its temperature: Hinton et al. 2015 weight the labels' part low */
#define TEMPERATURE_USUAL 4
#define RESTAT_USUAL 2048

void intact_train_options_default(intact_train_options *o) { *o = (intact_train_options){.momentum = MOMENTUM_USUAL}; }

/* ---- checking ---- */

static intact_status unknown(const char *what, const char *name, const char *const *names, intact_error *err)
{
    char list[256] = "";
    size_t len = 0, at = 0;
    for (; names[len]; len++)
        at += at < sizeof list ? (size_t)snprintf(list + at, sizeof list - at, "%s%s", len ? ", " : "", names[len]) : 0;
    const char *near = it_nearest(name, names, len);
    return it_fail(err, INTACT_E_ARG, what, "'%.60s' is not known%s%s%s; known are %s", name, near ? ", did you mean " : "", near ? near : "", near ? "?" : "",
                   list);
}

typedef struct bound {
    const char *what;
    double value, lo, hi;
} bound;

static intact_status check_processes(const it_train_job *j, intact_error *err)
{
    const intact_train_options *o = j->o;
    if (j->comm && o->qat)
        return it_fail(err, INTACT_E_UNSUPPORTED, "training", "%u processes; quantization-aware training runs in one (with --threads)", j->comm->size);
    if (j->comm && j->comm->size > (o->batch ? o->batch : BATCH_USUAL))
        return it_fail(err, INTACT_E_ARG, "training", "%u processes share a batch of %u samples; each needs one at least", j->comm->size, o->batch ? o->batch : BATCH_USUAL);
    return INTACT_OK;
}

static intact_status check_numbers(const intact_train_options *o, intact_error *err)
{
    const bound all[] = {
        {"the learning rate", o->rate, 0, 1e6},
        {"momentum", o->momentum, 0, 0.999999},
        {"weight decay", o->decay, 0, 1e3},
        {"warm-up epochs", o->warmup, 0, o->epochs},
        {"the factor of step", o->factor, 0, 1},
        {"label smoothing", o->smoothing, 0, 0.999},
        {"the teacher's share", o->teacher_share, 0, 1},
        {"the teacher's temperature", o->temperature, 0, 1e3},
        {"the gradient's largest length", o->clip, 0, 1e9},
        {"epochs before statistics are frozen", o->freeze_after, 0, o->epochs},
        {"the decay of averaged weights", o->average, 0, 0.999999},
        {"the loss scale", o->loss_scale, 0, IT_SCALE_MOST},
    };
    for (size_t i = 0; i < IT_LEN(all); i++)
        if (!(all[i].value >= all[i].lo && all[i].value <= all[i].hi))
            return it_fail(err, INTACT_E_ARG, "training", "%s is %g; %g to %g are possible", all[i].what, all[i].value, all[i].lo, all[i].hi);
    if (o->epochs < 1 || o->epochs > 100000)
        return it_fail(err, INTACT_E_ARG, "training", "%u epochs; 1 to 100000 are possible", o->epochs);
    if (o->batch > 1u << 20)
        return it_fail(err, INTACT_E_ARG, "training", "a batch of %u samples; 1 to 1048576 are possible", o->batch);
    if (!o->teacher && (o->teacher_share > 0 || o->temperature > 0))
        return it_fail(err, INTACT_E_ARG, "training", "a teacher's share or temperature was given, but no teacher");
    if (o->freeze_statistics && o->restat)
        return it_fail(err, INTACT_E_ARG, "training", "statistics of batch normalizations cannot stay as they are and be measured anew");
    return INTACT_OK;
}

static intact_status read_schedule(it_train_job *j, intact_error *err)
{
    const intact_train_options *o = j->o;
    it_schedule_spec *s = &j->schedule;
    const char *name = o->schedule ? o->schedule : "cosine";
    s->schedule = it_schedule_find(name);
    if (!s->schedule)
        return unknown("schedule", name, intact_list_schedules(), err);
    bool steps = s->schedule == &it_schedule_step;
    if (!steps && (o->milestones_len || o->factor > 0))
        return it_fail(err, INTACT_E_ARG, "schedule", "milestones and a factor are of the schedule step; this one is %s", name);
    if (o->milestones_len > IT_SCHEDULE_STEPS_MAX)
        return it_fail(err, INTACT_E_ARG, "schedule", "%zu milestones; at most %d are possible", o->milestones_len, IT_SCHEDULE_STEPS_MAX);
    for (size_t i = 0; i < o->milestones_len; i++) {
        if (!(o->milestones[i] > (i ? o->milestones[i - 1] : 0) && o->milestones[i] < o->epochs))
            return it_fail(err, INTACT_E_ARG, "schedule", "milestone %g; they are epochs between 0 and %u, in ascending order", o->milestones[i], o->epochs);
        s->at[s->at_len++] = o->milestones[i] / o->epochs;
    }
    s->factor = o->factor;
    s->rate = o->rate > 0 ? o->rate : j->spec.optimizer.optimizer->rate;
    return INTACT_OK;
}

static intact_status read_dtype(it_train_job *j, intact_error *err)
{
    const intact_train_options *o = j->o;
    it_train_options *s = &j->spec;
    const char *name = o->dtype ? o->dtype : it_products_names[IT_PRODUCTS_F32];
    if (!it_products_find(name, &s->products))
        return unknown("dtype", name, it_products_names, err);
    if (o->loss_scale > 0 && s->products != IT_PRODUCTS_F16)
        return it_fail(err, INTACT_E_ARG, "dtype", "a loss scale is of f16; %s has the range of float32 and needs none", name);
    s->compact = s->products == IT_PRODUCTS_BF16 || s->products == IT_PRODUCTS_BF16_DOT;
    if (s->products == IT_PRODUCTS_F16)
        s->scaling = (it_scaling_spec){.kind = o->loss_scale > 0 ? IT_SCALE_STATIC : IT_SCALE_DYNAMIC, .start = o->loss_scale};
    if (s->products == IT_PRODUCTS_BF16)
        it_log(j->c, INTACT_LOG_INFO, "this processor multiplies bfloat16 no faster than float32: operands are rounded to it and multiplied as float32");
    return INTACT_OK;
}

intact_status it_api_train_options(it_train_job *j, intact_error *err)
{
    const intact_train_options *o = j->o;
    it_train_options *s = &j->spec;
    const char *name = o->optimizer ? o->optimizer : "sgd";
    if (!o->output || !o->data.path)
        return it_fail(err, INTACT_E_ARG, "training", "no %s was given", o->output ? "training data" : "output path");
    IT_TRY(check_numbers(o, err));
    IT_TRY(check_processes(j, err));
    j->batch = o->batch ? o->batch : BATCH_USUAL;
    j->feeders = o->feeders ? o->feeders : (it_pool_threads(j->c->pool) + 1) / 2;
    j->restat = o->restat ? o->restat : o->average > 0 && !o->freeze_statistics ? RESTAT_USUAL : 0;
    s->optimizer.optimizer = it_optimizer_find(name);
    if (!s->optimizer.optimizer)
        return unknown("optimizer", name, intact_list_optimizers(), err);
    s->optimizer.momentum = o->momentum;
    s->optimizer.nesterov = o->nesterov != 0;
    if (o->nesterov && s->optimizer.optimizer != &it_optimizer_sgd)
        return it_fail(err, INTACT_E_ARG, "optimizer", "Nesterov momentum is of sgd; %s has none", name);
    IT_TRY(read_schedule(j, err));
    IT_TRY(read_dtype(j, err));
    if (o->augment)
        IT_TRY(it_augment_parse(o->augment, &j->augment, err));
    s->pool = j->c->pool;
    s->loss = (it_loss_spec){.loss = &it_loss_cross_entropy, .smoothing = o->smoothing};
    if (o->teacher) {
        s->loss.alpha = o->teacher_share > 0 ? o->teacher_share : SHARE_USUAL;
        s->loss.temperature = o->temperature > 0 ? o->temperature : TEMPERATURE_USUAL;
    }
    s->decay = o->decay;
    s->decay_all = o->decay_all != 0;
    s->clip = o->clip;
    s->average = o->average;
    s->fixed_statistics = o->freeze_statistics != 0;
    if (snprintf(j->checkpoint, sizeof j->checkpoint, o->checkpoint ? "%s" : "%s.ckpt", o->checkpoint ? o->checkpoint : o->output) >= (int)sizeof j->checkpoint)
        return it_fail(err, INTACT_E_ARG, "checkpoint", "its path is longer than %zu bytes", sizeof j->checkpoint);
    return INTACT_OK;
}

/* ---- settings ---- */

/* free: a run may resume with another value, which is told. */
typedef struct kind {
    const char *key;
    bool free;
    const char *why;
} kind;
static const kind kinds[] = {
    {"threads", true, "sums are added in another order, so the last bits of the result will be others"},
    {"cpu", true, "kernels of this machine may round differently, so the last bits of the result may be others"},
    {"rate", true, "what follows learns with the new one"},
    {"clip", true, "what follows learns with the new one"},
};

static void put(it_train_kept *k, const char *key, const char *fmt, ...) IT_PRINTF(3, 4);

static void put(it_train_kept *k, const char *key, const char *fmt, ...)
{
    it_train_setting *s = &k->settings[k->settings_len++];
    va_list ap;
    memset(s, 0, sizeof *s);
    snprintf(s->key, sizeof s->key, "%s", key);
    va_start(ap, fmt);
    vsnprintf(s->value, sizeof s->value, fmt, ap);
    va_end(ap);
}

static void put_augment(it_train_job *j)
{
    char text[200];
    it_augment_print(&j->augment, text, sizeof text);
    put(j->kept, "augment", "%s", text);
}

static void put_schedule(it_train_job *j)
{
    const it_schedule_spec *s = &j->schedule;
    char text[200] = "";
    size_t at = 0;
    put(j->kept, "schedule", "%s", s->schedule->name);
    for (int i = 0; i < s->at_len && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.9g", i ? "," : "", j->o->milestones[i]);
    if (s->at_len)
        put(j->kept, "milestones", "%s", text);
    if (s->factor > 0)
        put(j->kept, "factor", "%.9g", s->factor);
    put(j->kept, "warmup", "%.9g", j->o->warmup);
}

/* Of the labels that training sees, in order: another data set, or another part of it. */
static uint32_t labels_sum(const it_feed *f)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < f->len; i++) {
        const uint32_t both[2] = {sum, (uint32_t)f->data->label[f->pick ? f->pick[i] : i]};
        sum = it_crc32(both, sizeof both);
    }
    return sum;
}

void it_api_train_settings(it_train_job *j)
{
    it_train_kept *k = j->kept;
    const it_train_options *s = &j->spec;
    char pre[256];
    put(k, "network", "%s", j->model_sha);
    put(k, "labels", "%08x", labels_sum(&j->data.feed));
    it_preprocess_print(&j->data.feed.pre, pre, sizeof pre);
    put(k, "preprocess", "%s", j->data.feed.arrays ? "none" : pre);
    if (j->o->data.label_offset)
        put(k, "label offset", "%d", j->o->data.label_offset);
    put(k, "batch", "%u", j->batch);
    put(k, "optimizer", "%s", s->optimizer.optimizer->name);
    if (s->optimizer.optimizer == &it_optimizer_sgd)
        put(k, "momentum", "%.9g%s", s->optimizer.momentum, s->optimizer.nesterov ? ", nesterov" : "");
    put(k, "rate", "%.9g", j->schedule.rate);
    put_schedule(j);
    put(k, "decay", "%.9g%s", s->decay, s->decay_all ? ", of all parameters" : "");
    put_augment(j);
    put(k, "smoothing", "%.9g", s->loss.smoothing);
    if (j->teacher) {
        put(k, "teacher", "%s", j->teacher_sha);
        put(k, "teacher's share", "%.9g", s->loss.alpha);
        put(k, "temperature", "%.9g", s->loss.temperature);
    }
    put(k, "clip", "%.9g", s->clip);
    put(k, "average", "%.9g", s->average);
    put(k, "dtype", "%s", j->o->dtype ? j->o->dtype : it_products_names[IT_PRODUCTS_F32]);
    if (s->scaling.kind == IT_SCALE_STATIC)
        put(k, "loss scale", "%.9g", s->scaling.start);
    if (j->restat)
        put(k, "statistics", "of %llu samples", (unsigned long long)j->restat);
    else
        put(k, "statistics", "%s", s->fixed_statistics ? "frozen" : "running");
    if (j->o->qat) {
        put(k, "qat", "%s, weights %d bits%s, activations %d bits", j->o->qat, j->o->weight_bits, j->o->weights_per_tensor ? " per tensor" : "",
            j->o->act_bits);
        put(k, "qat from", "%s", j->o->qat_from ? j->o->qat_from : "the method's own");
        put(k, "qat keep", "%.240s", j->o->qat_keep ? j->o->qat_keep : "first,last");
        put(k, "qat delay", "%u", j->o->qat_delay);
    }
    if (j->o->freeze_after > 0)
        put(k, "statistics frozen", "after %.9g epochs", j->o->freeze_after);
    put(k, "seed", "%llu", (unsigned long long)j->o->seed);
    if (j->comm)
        put(k, "processes", "%u, statistics %s", j->comm->size, s->sync_statistics ? "of all" : "of each");
    put(k, "threads", "%u", it_pool_threads(j->c->pool));
    put(k, "cpu", "%s", intact_cpu_name(it_cpu_best()));
}

static const char *value_of(const it_train_kept *k, const char *key)
{
    for (uint64_t i = 0; i < k->settings_len && i < IT_TRAIN_SETTINGS_MAX; i++)
        if (strncmp(k->settings[i].key, key, sizeof k->settings[i].key) == 0)
            return k->settings[i].value;
    return NULL;
}

static intact_status compare(it_train_job *j, const char *key, const char *was, const char *is, const char *path, intact_error *err)
{
    was = was ? was : "not set";
    if (strcmp(was, is) == 0)
        return INTACT_OK;
    for (size_t i = 0; i < IT_LEN(kinds); i++)
        if (strcmp(kinds[i].key, key) == 0) {
            it_log(j->c, INTACT_LOG_WARNING, "%s: the run was begun with %s %s, this is %s: %s", path, key, was, is, kinds[i].why);
            return INTACT_OK;
        }
    if (strcmp(key, "network") == 0)
        return it_fail(err, INTACT_E_ARG, path, "the checkpoint is of a run that began with another network file (SHA-256 %.16s..., %s has %.16s...)", was,
                       j->model_path, is);
    return it_fail(err, INTACT_E_ARG, path, "%s is %s here, and was %s in the run that wrote this checkpoint", key, is, was);
}

intact_status it_api_train_same_settings(it_train_job *j, const it_train_kept *then, const char *path, intact_error *err)
{
    for (uint64_t i = 0; i < j->kept->settings_len; i++) {
        const it_train_setting *s = &j->kept->settings[i];
        IT_TRY(compare(j, s->key, value_of(then, s->key), s->value, path, err));
    }
    for (uint64_t i = 0; i < then->settings_len && i < IT_TRAIN_SETTINGS_MAX; i++)
        if (!value_of(j->kept, then->settings[i].key))
            IT_TRY(compare(j, then->settings[i].key, then->settings[i].value, "not set", path, err));
    return INTACT_OK;
}
