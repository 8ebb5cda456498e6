# task: link the program from many objects
# needs: gcc g++

mkdir obj
for n in $(seq 60); do printf "int f$n(void) { return $n; }\n" > f$n.c; done
printf 'int f1(void);\nint main(void) { return f1() - 1; }\n' > main.c
for n in $(seq 60); do gcc -c -o obj/module_number_$n.o f$n.c; done
gcc -o program main.c obj/module_number_*.o -Wl,--as-needed -Wl,-z,relro -lm -lpthread -ldl
./program
ar crs libmany.a obj/*.o
g++ -o program2 -x c main.c -x none libmany.a -O2 -std=c++17 -I. -I/usr/include -Wl,--gc-sections -nodefaultlibs -lc
./program2
rm -rf obj
