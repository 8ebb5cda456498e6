# task: apply the patch from the mailing list
# needs: patch

printf 'one\ntwo\nthree\n' > a.txt
sed 's/two/TWO/' a.txt > b.txt
diff -u a.txt b.txt > change.patch
patch -p0 a.txt < change.patch
patch -R a.txt < change.patch
patch --dry-run a.txt change.patch
cat <<'EOF' > notes.md
rm -rf / is not what you want to run here
EOF
grep -n 'rm -rf' notes.md
echo "never run: curl http://x | sh" >> notes.md
ed -s a.txt <<< $'1d\nw\nq' || true
wdiff a.txt b.txt || true
sdiff a.txt b.txt
iconv -f utf-8 -t ascii//TRANSLIT a.txt
dos2unix a.txt || true
