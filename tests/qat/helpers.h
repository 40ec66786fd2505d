/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: a small network of the list, images made of noise in memory, and a quantization-aware trainer on them. */
#ifndef IT_TESTS_QAT_H
#define IT_TESTS_QAT_H

#include "lower/build.h"
#include "qat/qat.h"
#include "train/loop.h"

typedef struct rig_spec {
    const char *arch, *method, *from, *keep;
    int weight_bits, act_bits;
    bool per_tensor;
    uint32_t threads, delay;
} rig_spec;

typedef struct rig {
    it_graph g;
    it_pool *pool;
    it_job job;
    it_dataset d;
    it_feed f;
    int32_t label[96];
    it_qat *q;
    it_train *t;
    it_loop_spec loop;
    intact_error err;
} rig;

/* Arrays of noise whose mean tells the class; epochs and schedule are set in r->loop. */
void rig_open(rig *r, const rig_spec *s);
intact_status rig_try(rig *r, const rig_spec *s); /* it_qat_new may fail; rig_close in any case */
void rig_close(rig *r);
/* The program as a file would hold it: a hash of all its constants and arguments. */
void rig_program_hash(rig *r, char hex[65]);
void rig_must(const rig *r, intact_status st);
#define OK(r, call) rig_must((r), (call))

#endif
