# task: make a virtual environment and install the project in it
# needs: python3

python3 -m venv .venv
. .venv/bin/activate
python -m pip --version
pip list --format=freeze
pip config list
mkdir -p pkg
printf '[project]\nname = "pkg"\nversion = "0.1"\n[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n' > pyproject.toml
printf 'VALUE = 3\n' > pkg/__init__.py
python -c 'import pkg; print(pkg.VALUE)'
python -c 'import sys; print(sys.prefix)'
pip uninstall -y nothing-like-that || true
pip freeze > requirements.txt
pip check
deactivate
rm -rf .venv
