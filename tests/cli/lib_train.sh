# SPDX-License-Identifier: Apache-2.0
# lib_train.sh: what the tests of intact train share: a data set of small images that a small network learns in seconds, and ways to look at ONNX files.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || skip "python3 is not installed"
cd "$tmp" || exit 1

# NAME COUNT SEED: COUNT images of 12x12 in 4 classes that differ in where they are bright, as IDX files
make_idx() {
    python3 - "$@" <<'P'
import random, struct, sys
name, count, rng = sys.argv[1], int(sys.argv[2]), random.Random(int(sys.argv[3]))
images, labels = bytearray(struct.pack(">4I", 0x803, count, 12, 12)), bytearray(struct.pack(">2I", 0x801, count))
for i in range(count):
    c = rng.randrange(4)
    labels.append(c)
    for y in range(12):
        for x in range(12):
            images.append(rng.randrange(120) + (90 if (y < 6) == (c < 2) and (x < 6) == (c % 2 == 0) else 0))
open(name + "-images-idx3-ubyte", "wb").write(images)
open(name + "-labels-idx1-ubyte", "wb").write(labels)
P
}

make_net() { "$intact" new resnet8 -o "$1" --input 1x12x12 --classes 4 --seed "${2:-1}" --quiet > /dev/null || fail "new resnet8"; }
data="--data a-images-idx3-ubyte --val b-images-idx3-ubyte"
