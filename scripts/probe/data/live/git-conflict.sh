# task: resolve the merge conflict in favour of our side
# needs: git

git init -q -b main .
git config user.email dev@example.com
git config user.name Dev

echo one > shared.txt; git add .; git commit -q -m one
git switch -q -c other
echo two > shared.txt; git commit -q -am two
git switch -q main
echo three > shared.txt; git commit -q -am three
git merge other || git status --short
git diff --name-only --diff-filter=U
git checkout --ours shared.txt
git add shared.txt
git commit -q --no-edit
git merge-base main other
git branch -D other
