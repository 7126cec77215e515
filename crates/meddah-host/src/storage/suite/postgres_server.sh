# A Postgres server of its own for tests: speaks over a socket in a new folder, and ends with whoever started it,
# because its standard input ends then, however that happens. Understands the lines `stop` and `start`.
# $1: the folder of the server's programs.
set -eu
folder="$(mktemp -d "${TMPDIR:-/tmp}/meddah-postgres.XXXXXX")"
server=""
start() {
    # Nothing of a test outlives the machine, so the disk need not keep it.
    "$1/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off -c max_connections=200 \
        -c logging_collector=off >>"$folder/log" 2>&1 &
    server=$!
    until "$1/pg_isready" -q -h "$folder"; do
        kill -0 "$server" 2>/dev/null || { tail -5 "$folder/log" >&2; exit 1; }
        sleep 0.05
    done
}
finish() {
    [ -z "$server" ] || { kill -QUIT "$server" 2>/dev/null && wait "$server"; } || true
    rm -rf "$folder"
}
trap finish EXIT
# An interrupted test interrupts its whole group.
trap "exit 1" INT TERM HUP
"$1/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >"$folder/log"
start "$1"
echo "ready $folder"
while read -r word; do
    case "$word" in
    stop) kill -INT "$server"; wait "$server" || true; server="" ;;
    start) start "$1" ;;
    esac
    echo "$word done"
done
