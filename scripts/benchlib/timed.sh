# What runs inside each world: one program, timed by bash itself so that nothing else is in the time.
# Arguments: a directory, then the program. Prints the milliseconds; what the program says goes to stderr.
cd "$1" || exit 1
shift
begun=${EPOCHREALTIME/[.,]/}
"$@" >&2 || exit 1
ended=${EPOCHREALTIME/[.,]/}
printf '%s\n' "$((ended - begun))e-3"
