# task: find out why the program crashes
# needs: gcc gdb

printf '#include <stdlib.h>\nint main(int c, char **v) { int *p = c > 1 ? NULL : malloc(4); *p = 1; free(p); return 0; }\n' > crash.c
gcc -g -O0 -o crash crash.c
./crash
gdb -batch -ex run -ex bt ./crash || true
gcc -g -fsanitize=address -o asan crash.c && ./asan || true
ltrace ./crash || true
strace -f -o trace.txt ./crash || true
objdump -d --no-show-raw-insn crash | grep -A4 '<main>:'
readelf -h crash | head -n 5
addr2line -e crash 0x1139 || true
ulimit -c 0; ./crash x || true
valgrind --version || true
catchsegv ./crash || true
