/* SPDX-License-Identifier: Apache-2.0 */
/* teacher.h: a network that knows already, and answers the batches that another one learns from. */
#ifndef IT_TRAIN_TEACHER_H
#define IT_TRAIN_TEACHER_H

#include "base/pool.h"
#include "ir/ir.h"

typedef struct it_teacher it_teacher;

/* g: inferred, with one float input and answers of this many numbers a sample at output 0, before a last Softmax; kept while the teacher lives. Its
** answers do not depend on the number of threads. */
INTACT_MUST_USE intact_status it_teacher_new(const it_graph *g, it_pool *pool, size_t answers, it_teacher **out, intact_error *err);
void it_teacher_free(it_teacher *t);
/* x: len samples, plain; answers: as many times what new was told. */
INTACT_MUST_USE intact_status it_teacher_answer(it_teacher *t, const float *x, size_t len, float *answers, intact_error *err);

#endif
