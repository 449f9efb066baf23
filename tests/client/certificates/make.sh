#!/bin/sh
# Makes the certificates of the tests: valid for a hundred years, but for the one that is expired. Needs OpenSSL 3.
set -eu
cd "$(dirname "$0")"
days=36500
key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256; }
leaf() { # name, subject alternative name, how long
    key > key.tmp
    openssl req -new -key key.tmp -subj "/CN=promptops test $1" > request.tmp
    printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$2" > extensions.tmp
    openssl x509 -req -in request.tmp -CA authority.pem -CAkey authority.tmp -extfile extensions.tmp $3 > leaf.tmp 2> /dev/null
    cat key.tmp leaf.tmp > "$1.pem"
}
key > authority.tmp
openssl req -x509 -key authority.tmp -subj "/CN=promptops test authority" -days $days > authority.pem
leaf good "IP:127.0.0.1,DNS:localhost" "-days $days"
leaf wrong-host "DNS:registry.example" "-days $days"
leaf expired "IP:127.0.0.1,DNS:localhost" "-days -1"
key > key.tmp
openssl req -x509 -key key.tmp -subj "/CN=promptops test" -addext "subjectAltName=IP:127.0.0.1" -days $days > leaf.tmp
cat key.tmp leaf.tmp > self-signed.pem
rm -f ./*.tmp
