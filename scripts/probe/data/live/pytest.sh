# task: make the failing test pass
# needs: python3

mkdir -p tests
printf 'def add(a, b):\n    return a - b\n' > calc.py
printf 'from calc import add\n\ndef test_add():\n    assert add(2, 3) == 5\n' > tests/test_calc.py
python3 -m pytest -q tests || true
sed -i 's/a - b/a + b/' calc.py
python3 -m pytest -q tests
python3 -m pytest -x -v --tb=short tests/test_calc.py::test_add
python3 -m pytest -k add --durations=3 -p no:cacheprovider
python3 -m unittest discover -s tests -p 'none*.py' || true
python3 -m compileall -q .
find . -name __pycache__ -type d -exec rm -rf {} +
rm -rf .pytest_cache
