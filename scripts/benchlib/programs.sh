# What runs inside each world: whole programs, timed by bash itself so that no interpreter is warm before the first.
# Arguments: python, a git work tree. Prints one JSON object of milliseconds.
now() { printf -v "$1" '%s' "${EPOCHREALTIME/[.,]/}"; }
timed() {  # variable, command…: set the variable to the microseconds that the command takes
    local _name=$1 _begun _ended
    shift
    now _begun
    "$@" >/dev/null || exit 1
    now _ended
    printf -v "$_name" '%s' $((_ended - _begun))
}
sleep 2  # the gate's model is loaded in the first second of a session, beside whatever runs then
timed first "$1" -c pass
later=
for _ in 1 2 3 4 5; do
    timed once "$1" -c pass
    later="$later$once "
done
cd "$2" || exit 1
timed git_first git status --porcelain
timed git_second git status --porcelain
printf '{"python first": [%s], "python later": [%s], "git status first": [%s], "git status second": [%s]}\n' \
    "$first" "$(printf '%s' "${later% }" | { read -r line; printf '%s' "${line// /, }"; })" "$git_first" "$git_second"
