# task: find the commit that broke the test
# needs: git

git init -q -b main .
git config user.email dev@example.com
git config user.name Dev

for n in 1 2 3 4 5 6; do echo "$n" >> log.txt; git add .; git commit -q -m "Change $n"; done
git bisect start HEAD HEAD~5
git bisect run sh -c 'test $(wc -l < log.txt) -lt 4'
git bisect reset
git log -S5 --oneline -- log.txt
git log --since=yesterday --author=Dev --pretty=format:'%h %an %s'
git rev-list --count HEAD
git rev-parse --abbrev-ref HEAD
git diff HEAD~2 HEAD -- log.txt | head -n 20
git archive --format=tar HEAD | tar -tf -
git format-patch -q -2 -o patches
git checkout -q -b again HEAD~2
git am -q patches/*.patch
git apply --check patches/0001-*.patch || true
git notes add -m "seen" HEAD
git grep -n 3
