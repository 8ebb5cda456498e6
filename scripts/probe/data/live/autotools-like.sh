# task: configure and install into a prefix
# needs: gcc make

cat > configure <<'EOF'
#!/bin/sh
prefix=/usr/local
for a; do case $a in --prefix=*) prefix=${a#*=};; esac; done
echo 'int main(void){return 0;}' > conftest.c
${CC-cc} -o conftest conftest.c || exit 1
./conftest || exit 1
rm -f conftest conftest.c
printf 'all:\n\tcc -o prog prog.c\ninstall: all\n\tmkdir -p %s/bin\n\tcp prog %s/bin/\nuninstall:\n\trm -f %s/bin/prog\ndistclean:\n\trm -f prog Makefile\n' "$prefix" "$prefix" "$prefix" > Makefile
EOF
chmod +x configure
printf 'int main(void) { return 0; }\n' > prog.c
./configure --prefix="$PWD/inst"
make
make install
make uninstall
make DESTDIR=/tmp/stage -n install
make distclean
rm -rf inst
