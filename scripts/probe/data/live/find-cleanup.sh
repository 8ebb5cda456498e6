# task: remove build products and old logs
# needs: find

mkdir -p build/obj logs cache .mypy_cache dist src/__pycache__
touch build/obj/a.o build/obj/b.o logs/a.log logs/b.log cache/x src/__pycache__/m.pyc
find build -name '*.o' -delete
find logs -name '*.log' -mtime +7 -delete
find . -name '__pycache__' -prune -exec rm -r {} +
find cache -type f -empty -delete
find . -type d -empty -not -path './.git/*' -print
find build -type d -empty -delete
rm -rf build dist .mypy_cache
rm -f logs/*.log
rmdir logs
truncate -s 0 empty.log
: > empty.log
shred -u empty.log || rm -f empty.log
du -sh . | cut -f1
ls -la
