# A Postgres server of its own for tests: speaks over a socket in a new folder, and ends with whoever started it,
# because its standard input ends then, however that happens. Understands the lines `stop` and `start`.
# $1: the folder of the server's programs. With a $2 it is a port, on which only encrypted connections with the password
# are taken; the certificate and its key are in the environment.
set -eu
folder="$(mktemp -d "${TMPDIR:-/tmp}/meddah-postgres.XXXXXX")"
server=""
start() {
    # Nothing of a test outlives the machine, so the disk need not keep it.
    # shellcheck disable=SC2086 # the options are words
    "$1/postgres" -D "$folder/data" -k "$folder" -c fsync=off -c max_connections=200 -c logging_collector=off \
        ${2:--c listen_addresses=} >>"$folder/log" 2>&1 &
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
options=""
if [ -n "${2:-}" ]; then
    (umask 077; echo "$MEDDAH_TEST_CERTIFICATE" >"$folder/certificate"; echo "$MEDDAH_TEST_KEY" >"$folder/key")
    printf 'local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n' >"$folder/data/pg_hba.conf"
    options="-c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file=$folder/certificate -c ssl_key_file=$folder/key"
    options="$options -c port=$2"
    export PGPORT="$2"
fi
start "$1" "$options"
echo "ready $folder"
while read -r word; do
    case "$word" in
    stop) kill -INT "$server"; wait "$server" || true; server="" ;;
    start) start "$1" "$options" ;;
    esac
    echo "$word done"
done
