# task: push the fix to the shared repository
# needs: git

git init -q --bare -b main shared.git
git clone -q shared.git work 2> clone.log
cd work
git config user.email dev@example.com
git config user.name Dev
echo a > a.txt
git add a.txt
git commit -q -m "Add a"
git push -q -u origin main
cd ..
git clone -q --depth 1 "file://$PWD/shared.git" shallow
git clone -q --no-local --branch main shared.git copy
git -C copy pull -q --rebase
git -C copy fetch --all --prune
git -C copy remote -v
git -C work push -q origin HEAD:refs/heads/topic
git -C work push -q --tags
git ls-remote shared.git
git -C shared.git count-objects -v
git bundle create all.bundle --all 2> bundle.log || git -C work bundle create ../all.bundle --all
