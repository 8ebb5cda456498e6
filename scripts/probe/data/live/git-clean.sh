# task: throw away what is not under version control
# needs: git

git init -q -b main .
git config user.email dev@example.com
git config user.name Dev

printf 'build/\n*.o\n' > .gitignore
git add .; git commit -q -m ignore
mkdir build; touch build/a.o junk.tmp other.o
git clean -n -d
git clean -fd
git clean -fdx
git status --ignored --short
git rm -q --cached .gitignore
git reset -q
git check-ignore -v build/a.o || true
git gc -q
git prune
git fsck
