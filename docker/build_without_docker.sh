#!/usr/bin/env bash
# Build the image where no Docker engine runs, as root, with buildah (and debootstrap for a base of that kind).
#
#   docker/build_without_docker.sh BASE [cpu|cuda] [IMAGE]
#
# BASE   an image, such as docker.io/library/python:3.13-slim; or debootstrap:SUITE, such as debootstrap:bookworm, for
#        a Debian with its own python3, from the mirror of DEBIAN_MIRROR or debootstrap's usual one
# IMAGE  the name of the result; chainrule:cpu or chainrule:cuda
#
# pip inside is set up as it is here: by PIP_CONFIG_FILE, else PIP_INDEX_URL and PIP_EXTRA_INDEX_URL, else
# /etc/pip.conf; it trusts the certificates of SSL_CERT_FILE, else this system's. BUILDAH_ARGS goes to `buildah bud`,
# such as "--build-arg CUDA=cuda12". `buildah push IMAGE docker-archive:FILE` makes what `docker load` reads.
set -euo pipefail

if [[ $# -lt 1 || $# -gt 3 ]]; then
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 2
fi
base=$1
stage=${2:-cpu}
image=${3:-chainrule:$stage}
root=$(cd "$(dirname "$0")/.." && pwd)
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs

for tool in buildah $([[ $base == debootstrap:* ]] && echo debootstrap); do
    if ! command -v "$tool" >/dev/null; then
        echo "build_without_docker.sh: $tool is missing; apt-get install $tool" >&2
        exit 1
    fi
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [[ $base == debootstrap:* ]]; then
    suite=${base#debootstrap:}
    base=localhost/chainrule-base:$suite
    if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
        debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv \
            "$suite" "$scratch/debian" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
        rm -rf "$scratch"/debian/var/cache/apt/* "$scratch"/debian/var/lib/apt/lists/* "$scratch"/debian/var/log/*
        container=$(buildah from scratch)
        tar -C "$scratch/debian" --one-file-system -c . >"$scratch/debian.tar"
        buildah add "$container" "$scratch/debian.tar" / >/dev/null
        buildah config --cmd python3 --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
        buildah commit --rm "$container" "$base"
    fi
fi

secrets=()
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
if [[ -f $certificates ]]; then secrets+=(--secret "id=ca.crt,src=$certificates"); fi
pip_conf=${PIP_CONFIG_FILE:-/etc/pip.conf}
if [[ -z ${PIP_CONFIG_FILE:-} && -n ${PIP_INDEX_URL:-}${PIP_EXTRA_INDEX_URL:-} ]]; then
    pip_conf=$scratch/pip.conf
    {
        echo "[global]"
        if [[ -n ${PIP_INDEX_URL:-} ]]; then echo "index-url = $PIP_INDEX_URL"; fi
        if [[ -n ${PIP_EXTRA_INDEX_URL:-} ]]; then echo "extra-index-url = $PIP_EXTRA_INDEX_URL"; fi
        # Where the Dockerfile has the secret; an older pip looks at certificates of its own else.
        if [[ -f $certificates ]]; then echo "cert = /etc/ssl/certs/ca-certificates.crt"; fi
    } >"$pip_conf"
fi
if [[ -f $pip_conf ]]; then secrets+=(--secret "id=pip.conf,src=$pip_conf"); fi

# shellcheck disable=SC2086  # BUILDAH_ARGS is a list of words
buildah bud --layers --format docker --file "$root/docker/Dockerfile" --target "$stage" --build-arg "BASE=$base" \
    "${secrets[@]}" ${BUILDAH_ARGS:-} --tag "$image" "$root"
buildah images --filter "reference=$image"
