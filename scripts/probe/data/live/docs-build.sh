# task: turn the notes into a page
# needs: python3

mkdir -p docs/_build
printf 'Title\n=====\n\nText.\n' > docs/index.rst
python3 -m pydoc json > docs/json.txt
python3 -c "import html; print('<p>' + html.escape('a<b') + '</p>')" > docs/_build/index.html
wc -w docs/*.txt
fmt -w 60 docs/index.rst
aspell --version || true
ls -R docs | head
tree docs || find docs -print | sort
rm -rf docs/_build
