# task: set up a node project with a test script
# needs: node npm

npm init -y > init.log
npm pkg set scripts.test="node --test" scripts.build="node build.js" scripts.clean="rm -rf dist"
printf 'const fs = require("fs");\nfs.mkdirSync("dist", {recursive: true});\nfs.writeFileSync("dist/out.txt", "built");\n' > build.js
mkdir -p test
printf 'const test = require("node:test");\nconst assert = require("assert");\ntest("adds", () => assert.equal(1 + 1, 2));\n' > test/add.test.js
npm test
npm run build
cat dist/out.txt
npm run clean
npm ls || true
npm config get registry
npm pack --dry-run
node -e 'console.log(process.version)'
node -p 'require("./package.json").name'
npx --no-install tsc --version || true
rm -rf node_modules package-lock.json
