# task: make files of a given size to test with
# needs: sh

head -c 20M /dev/zero > zeros.bin
head -c 1M /dev/urandom > random.bin
dd if=/dev/zero of=blank.img bs=1M count=4 status=none
dd if=random.bin of=part.bin bs=4k skip=1 count=2 2> dd.log
fallocate -l 1M alloc.bin || truncate -s 1M alloc.bin
stat -c %s zeros.bin
cmp -n 100 zeros.bin blank.img
xxd -l 32 random.bin
od -An -tx1 -N16 random.bin
base64 -w0 < part.bin | head -c 40
seq 100000 | shuf | sort -n | tail -n 1
split -b 512k random.bin chunk-
cat chunk-* | cmp - random.bin
rm -f *.bin chunk-* blank.img
