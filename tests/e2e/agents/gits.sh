# Works in one repository from several worktrees at once, while it is packed and collected again and again.
set -eu
git init -q repo
cd repo
git config core.filesRefLockTimeout -1  # who meets a lock waits, however slow the machine
git config core.packedRefsTimeout -1
git config gc.auto 0
echo start >start
git add start
git commit -qm start
for each in 1 2 3; do git worktree add -q -b "branch$each" "../tree$each"; done

again() {  # a pack that is made at this moment may take an empty directory from under an object that is written
    "$@" 2>/dev/null || "$@" 2>/dev/null || "$@"
}

work() {
    cd "../tree$1"
    for turn in 1 2 3 4; do
        mkdir "dir$1.$turn"
        echo "$1 $turn" >"dir$1.$turn/file"
        again git add -A
        again git commit -qm "$1 $turn"
        again git tag "tag$1.$turn"
    done
}

collect() {
    for turn in 1 2; do
        git repack -q -a -d
        git gc -q
        git worktree prune
    done
}

pids=
for each in 1 2 3; do
    work "$each" &
    pids="$pids $!"
done
collect &
for pid in $pids $!; do wait "$pid"; done
git merge -qm octopus branch1 branch2 branch3 >/dev/null
git gc -q --prune=now
git fsck --strict --full --no-progress
git rev-list --objects --all | sort | sha256sum
git count-objects -v | grep -E '^(count|in-pack|packs|prune-packable|garbage):'
git worktree list --porcelain | grep -c '^worktree'
git status --porcelain
