# task: work on a hotfix in a second worktree
# needs: git

git init -q -b main .
git config user.email dev@example.com
git config user.name Dev

echo a > a.txt; git add .; git commit -q -m a
echo b >> a.txt
git stash push -m "half done"
git stash list
git worktree add -q -b hotfix ../$(basename "$PWD")/wt-hotfix
git -C wt-hotfix log -1 --format=%s
git worktree list
git worktree remove --force wt-hotfix
git worktree prune
git branch -D hotfix
git stash pop
git stash show -p stash@{0} || true
git stash drop || true
