# task: run the checks before every commit
# needs: git

git init -q -b main .
git config user.email dev@example.com
git config user.name Dev

mkdir tools
printf '#!/bin/sh\ngit diff --cached --check\n' > tools/check
chmod +x tools/check
git add .; git commit -q -m tools
tools/check
git config alias.st 'status --short'
git st
git config --get-regexp '^alias'
git -c core.pager=cat log -1
GIT_PAGER=cat git log --oneline
git config --unset alias.st
