# task: run the script in child processes
# needs: node

cat > pool.js <<'EOF'
const {execFileSync, spawnSync, fork} = require("child_process");
if (process.argv[2] === "child") { process.send({done: true}); process.exit(0); }
console.log(execFileSync("ls", ["-1"]).toString());
console.log(spawnSync("sh", ["-c", "echo one; echo two >&2"]).status);
fork(__filename, ["child"]).on("message", m => console.log(m));
EOF
node pool.js
node --check pool.js
node --max-old-space-size=256 pool.js
node -e 'require("fs").rmSync("dist", {recursive: true, force: true})'
node -e 'require("fs").unlinkSync("pool.js")'
