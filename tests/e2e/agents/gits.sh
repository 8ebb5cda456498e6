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

work() {
    cd "../tree$1"
    for turn in 1 2 3 4 5; do
        mkdir "dir$turn"
        echo "$1 $turn" >"dir$turn/file"
        git add -A
        git commit -qm "$1 $turn"
        git tag "tag$1.$turn"
    done
}

collect() {
    for turn in 1 2 3; do
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
git merge -q -m octopus branch1 branch2 branch3 2>/dev/null || git merge -qm one branch1
git gc -q --prune=now
git fsck --strict --full --no-progress
git rev-list --objects --all | sort | sha256sum
git count-objects -v | grep -E '^(count|in-pack|packs|prune-packable|garbage):'
git worktree list --porcelain | grep -c '^worktree'
git status --porcelain
