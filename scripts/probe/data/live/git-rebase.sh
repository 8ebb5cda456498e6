# task: rebase the feature branch on main and merge it
# needs: git

git init -q -b main .
git config user.email dev@example.com
git config user.name Dev

echo a > a.txt; git add .; git commit -q -m a
git checkout -q -b feature/login
echo b > b.txt; git add .; git commit -q -m b
echo c > c.txt; git add .; git commit -q -m "fixup! b"
git checkout -q main
echo d > d.txt; git add .; git commit -q -m d

git checkout -q feature/login
git rebase main
GIT_SEQUENCE_EDITOR=true git rebase -i --autosquash main
git log --oneline main..HEAD
git checkout -q main
git merge --no-ff -m "Merge login" feature/login
git branch -d feature/login
git cherry-pick -x HEAD~1 || git cherry-pick --skip || git cherry-pick --abort || true
