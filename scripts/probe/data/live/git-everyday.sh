# task: add a section to the readme and commit it
# needs: git

git init -q -b main .
git config user.email dev@example.com
git config user.name Dev

mkdir -p src docs
printf '# Tracker\n' > README.md
printf 'print("hello")\n' > src/app.py
git add -A
git commit -q -m "First version"
git status --short

printf '\n## Usage\n\n    python src/app.py\n' >> README.md
git diff
git diff --stat HEAD
git add -p README.md < /dev/null
git commit -q -am "Say how it is used"
git log --oneline --graph --all
git show --stat HEAD
git blame README.md
git tag -a v0.1 -m "First release"
git describe --tags
git shortlog -sn HEAD
