# task: run the scripts of the project
# needs: python3 node

mkdir -p scripts bin
printf '#!/bin/sh\nset -eu\necho "building $1"\nmkdir -p build\ntouch build/$1\n' > scripts/build.sh
printf '#!/usr/bin/env python3\nimport sys\nprint(len(sys.argv))\n' > bin/tool
printf '#!/usr/bin/env node\nconsole.log(process.argv.length)\n' > bin/jstool
chmod +x scripts/build.sh bin/tool bin/jstool
./scripts/build.sh app
./bin/tool a b c
./bin/jstool --verbose
sh scripts/build.sh other
bash -x scripts/build.sh third
PATH=$PWD/bin:$PATH tool
python3 bin/tool --help
env -i PATH=/usr/bin:/bin sh scripts/build.sh clean-env
rm -rf build
