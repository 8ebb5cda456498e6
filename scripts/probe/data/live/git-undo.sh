# task: take the last two commits back and do them again as one
# needs: git

git init -q -b main .
git config user.email dev@example.com
git config user.name Dev

for n in 1 2 3; do echo $n > file$n.txt; git add .; git commit -q -m "Step $n"; done

git reset --soft HEAD~2
git commit -q -m "Steps two and three"
echo wrong > file1.txt
git checkout -- file1.txt
echo wrong > file2.txt
git restore file2.txt
git reset --hard HEAD
git reset -q --hard HEAD~1
git reflog | head -n 5
git reset -q --hard ORIG_HEAD
git revert --no-edit HEAD
git commit -q --amend -m "Take it back"
