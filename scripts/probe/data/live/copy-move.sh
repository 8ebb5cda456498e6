# task: move the sources into a package directory
# needs: sh

mkdir -p old/sub
echo a > old/a.py; echo b > old/sub/b.py
cp -a old new
cp -rv old/sub new/extra
mv new/a.py new/sub/
mv old/sub/b.py old/sub/c.py
ln -s new current
ln -sfn old current
readlink -f current
install -d -m 755 dest/bin
install -m 755 new/sub/a.py dest/bin/tool
chmod -R u+rwX,go-w new
chmod +x new/sub/a.py
chmod 600 old/a.py
touch -d '2024-01-01' old/a.py
stat -c '%a %n' old/a.py new/sub/a.py
basename "$PWD"; dirname "$PWD"
realpath --relative-to=. new/sub
mktemp -d
cp -n old/a.py new/a.py
rm -r old new dest current
