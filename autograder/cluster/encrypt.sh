#!/usr/bin/env bash
# Makes a certificate for the links of a cluster, and the settings with which Dask uses it.
# Usage: autograder/cluster/encrypt.sh FOLDER
# Whoever holds FOLDER/key.pem can send work to the cluster and read what travels. Copy the folder to the same place on
# every node, readable by you alone, and say everywhere: export DASK_CONFIG=FOLDER/dask.yaml
set -euo pipefail
umask 077
mkdir -p "$1"
folder=$(cd "$1" && pwd)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=grading \
    -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>"$folder/openssl.log" || { cat "$folder/openssl.log" >&2; exit 1; }
rm "$folder/openssl.log"
pair="{cert: $folder/cert.pem, key: $folder/key.pem}"
cat >"$folder/dask.yaml" <<END
distributed:
  comm:
    require-encryption: true
    tls:
      ca-file: $folder/cert.pem
      scheduler: $pair
      worker: $pair
      client: $pair
END
echo "export DASK_CONFIG=$folder/dask.yaml"
