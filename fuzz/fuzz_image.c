/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_image.c: any bytes as a JPEG or PNG, then resized and cropped: an image within the limits or a sentence. */
#include <stdlib.h>

#include "data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const it_preprocess preprocess = {.resize = 24, .crop_h = 16, .crop_w = 20, .scale = 1};
    intact_error err = {0};
    it_image im = {0};
    uint32_t channels = len & 1 ? 1 : 3;
    if (it_image_decode(NULL, data, len, channels, "fuzz", &im, &err) != INTACT_OK) {
        if (err.code == INTACT_OK || !err.message[0] || im.px)
            abort();
        return 0;
    }
    if (im.c != channels || !im.h || !im.w || (uint64_t)im.h * im.w > 1u << 26)
        abort();
    if (it_image_prepare(NULL, &preprocess, &im, "fuzz", &err) == INTACT_OK && (im.h != 16 || im.w != 20))
        abort();
    it_image_free(NULL, &im);
    return 0;
}
