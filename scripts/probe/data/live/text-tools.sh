# task: rename the function everywhere
# needs: grep sed awk find

mkdir -p src/a src/b
for f in src/a/one.py src/a/two.py src/b/three.py; do printf 'def old_name(x):\n    return old_name(x - 1) if x else 0\n' > $f; done
grep -rn old_name src
grep -rl old_name src | xargs sed -i 's/old_name/new_name/g'
sed -n '1,2p' src/a/one.py
sed -i.bak -e '/^$/d' -e 's/[ \t]*$//' src/b/three.py
awk '{ n[$1]++ } END { for (w in n) print w, n[w] }' src/a/*.py
awk -F: '$3 >= 1000 { print $1 }' /etc/passwd
find src -name '*.py' -print0 | xargs -0 wc -l
find . -type f -name '*.bak' -delete
find src -type f -exec grep -l new_name {} \;
cut -d' ' -f1 src/a/one.py | sort | uniq -c | sort -rn
paste -d, src/a/one.py src/a/two.py
paste -sd+ <(seq 5) | bc
tr -d '\r' < src/a/one.py > unix.txt
diff -u src/a/one.py src/a/two.py
comm -12 <(sort src/a/one.py) <(sort src/a/two.py)
join <(printf '1 a\n') <(printf '1 b\n')
column -t src/a/one.py
expand -t4 src/a/one.py | fold -w 40 | nl
perl -pi -e 's/new_name/newer_name/g' src/a/one.py
perl -ne 'print if /def/' src/a/*.py
tee copy.txt < src/a/one.py > /dev/null
split -l 1 src/a/one.py part-
rev unix.txt | tac
