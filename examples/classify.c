/* SPDX-License-Identifier: Apache-2.0 */
/* classify.c: the smallest program that loads an .itm and runs it: raw pixels in, the best class out, integers only.
**
**   cc classify.c $(pkg-config --cflags --libs intact-run) -o classify
**   ./classify net.itm pixels.raw     (height x width x channels bytes, as the program's input says) */
#include <intact/run.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    intact_error err;
    intact_program *program;
    intact_session *session;
    intact_port in, out;
    if (argc != 3) {
        fprintf(stderr, "usage: %s NET.itm PIXELS.raw\n", argv[0]);
        return 2;
    }
    if (intact_program_load(argv[1], NULL, &program, &err) != INTACT_OK || intact_session_new(program, NULL, &session, &err) != INTACT_OK) {
        fprintf(stderr, "%s: %s\n", err.where, err.message);
        return 1;
    }
    intact_program_input(program, 0, &in);
    intact_program_output(program, 0, &out);
    if (!in.is_pixels || out.type == INTACT_S32) {
        fprintf(stderr, "%s: it does not take pixels and give a score per class; this example needs a program quantized with images\n", argv[1]);
        return 1;
    }
    void *pixels = malloc(in.bytes), *scores = malloc(out.bytes);
    FILE *f = fopen(argv[2], "rb");
    if (!pixels || !scores || !f || fread(pixels, 1, in.bytes, f) != in.bytes) {
        fprintf(stderr, "%s: %zu bytes of pixels are needed\n", argv[2], in.bytes);
        return 1;
    }
    fclose(f);
    if (intact_session_run(session, (const void *const[]){pixels}, 1, &scores, 1, &err) != INTACT_OK)
        return 1;
    int best = 0, top = -32768, len = (int)(out.bytes / intact_type_bytes(out.type));
    for (int i = 0; i < len; i++) {
        int score = out.type == INTACT_U8 ? ((const uint8_t *)scores)[i] : ((const int16_t *)scores)[i];
        if (score > top)
            top = score, best = i;
    }
    printf("class %d, score %g\n", best, out.scale * (top - out.zero_point));
    free(pixels);
    free(scores);
    intact_session_free(session);
    intact_program_free(program);
    return 0;
}
