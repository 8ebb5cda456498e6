# task: add the parser as a submodule
# needs: git

git init -q -b main .
git config user.email dev@example.com
git config user.name Dev

git init -q -b main parser
git -C parser -c user.email=dev@example.com -c user.name=Dev commit -q --allow-empty -m start
git init -q -b main app
cd app
git config user.email dev@example.com
git config user.name Dev
git -c protocol.file.allow=always submodule add -q "$OLDPWD/parser" vendor/parser
git submodule status
git submodule update --init --recursive
git commit -q -m "Add the parser"
git submodule foreach git log -1 --oneline
git submodule deinit -f vendor/parser
git rm -q -f vendor/parser
