#!/bin/sh
# Make every secret of the shop as a file: make-secrets.sh FOLDER
#
# Run it once; a second run changes nothing, so nobody loses access to a database. The folder is
# for its owner only. The files in it can be read by all, because a container that mounts one of
# them runs as another user.
set -eu
folder=${1:?say where: make-secrets.sh FOLDER}

if [ -e "$folder/databases.sql" ]; then
    echo "$folder is complete already; delete it to begin anew" >&2
    exit 0
fi
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

printf %s "$(openssl rand -hex 32)" > jwt_secret
printf %s "$(openssl rand -hex 24)" > postgres_password
# The token as Longpole reads it, as Envoy sends it and as the OpenTelemetry SDK sends it.
token=$(openssl rand -hex 32)
printf %s "$token" > longpole_token
printf %s "Bearer $token" > longpole_authorization
printf %s "authorization=Bearer%20$token" > otlp_headers

# A certificate for trying it out; put your own in its place.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj /CN=shop.example -addext subjectAltName=DNS:shop.example,DNS:localhost,IP:127.0.0.1 \
    -keyout front_key -out front_certificate 2> /dev/null

# Each service has a database, a user and a password of its own, and is let into no other.
{
    for name in user order payment inventory shipping notification recommendation; do
        password=$(openssl rand -hex 24)
        printf %s "postgresql+psycopg://$name:$password@postgres:5432/$name" > "${name}_database_url"
        echo "CREATE ROLE \"$name\" LOGIN PASSWORD '$password' CONNECTION LIMIT 60;"
        echo "CREATE DATABASE \"$name\" OWNER \"$name\";"
        echo "REVOKE CONNECT ON DATABASE \"$name\" FROM PUBLIC;"
    done
} > databases.sql.part
chmod 444 ./*
# Last, and in one step: this file says that all others are there.
mv databases.sql.part databases.sql
echo "made the secrets in $folder" >&2
