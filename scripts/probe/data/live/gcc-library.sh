# task: build a shared library and use it
# needs: gcc

printf 'int twice(int x) { return 2 * x; }\n' > twice.c
printf 'int twice(int);\nint main(void) { return twice(21) != 42; }\n' > use.c
gcc -fPIC -shared -Wl,-soname,libtwice.so.1 -o libtwice.so.1 twice.c
ln -sf libtwice.so.1 libtwice.so
gcc -o use use.c -L. -ltwice -Wl,-rpath,'$ORIGIN'
./use
LD_LIBRARY_PATH=$PWD ./use
gcc -c -o twice.o twice.c
ar rcs libtwice.a twice.o
ranlib libtwice.a
gcc -static -o use-static use.c libtwice.a
./use-static
gcc -E use.c | tail -n 2
gcc -S -O2 -o - twice.c
gcc -MM use.c
gcc -pg --coverage -o covered use.c twice.c && ./covered
gcov -n covered-use.c || true
pkg-config --modversion zlib || true
rm -f *.o *.gcno *.gcda gmon.out
