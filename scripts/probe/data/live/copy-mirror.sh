# task: mirror the site into the deployment directory
# needs: rsync

mkdir -p site/css deploy
echo '<p>' > site/index.html
echo 'p{}' > site/css/a.css
rsync -a --delete site/ deploy/
rsync -avn --exclude '*.css' site/ deploy/
rsync -a --info=progress2 site/index.html deploy/index2.html
diff -r site deploy || true
