# task: format the file with the editor in batch mode
# needs: vim

printf 'b\na\n' > t.txt
vim -es -u NONE -c '%sort' -c wq t.txt
cat t.txt
vim -es -u NONE -c '%s/a/c/g' -c 'wq' t.txt
ctags --version || true
script -qc 'ls' /dev/null | head -n 1 || true
yes | head -n 3
EDITOR=true git --version
