# task: make the C program build without warnings
# needs: make gcc

mkdir -p src build
cat > src/main.c <<'EOF'
#include <stdio.h>
#include "sum.h"
int main(void) { printf("%d\n", sum(2, 3)); return 0; }
EOF
printf 'int sum(int a, int b);\n' > src/sum.h
printf '#include "sum.h"\nint sum(int a, int b) { return a + b; }\n' > src/sum.c
cat > Makefile <<'EOF'
CFLAGS ?= -O2 -Wall -Wextra
objects = build/main.o build/sum.o
build/app: $(objects)
	$(CC) $(LDFLAGS) -o $@ $^
build/%.o: src/%.c
	mkdir -p build
	$(CC) $(CFLAGS) -c -o $@ $<
test: build/app
	test "$$(build/app)" = 5
clean:
	rm -rf build
.PHONY: test clean
EOF
make
make test
make clean
make -j2 CFLAGS='-O0 -g -fsanitize=undefined' LDFLAGS=-fsanitize=undefined test
./build/app
size build/app
nm build/app | grep -c ' T '
objdump -d build/app | head -n 20
ldd build/app
strip build/app
file build/app
