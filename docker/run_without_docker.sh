#!/usr/bin/env bash
# Run an image that build_without_docker.sh built, as root, as `docker run --rm -v "$FOLDER:/work" IMAGE ...` would.
#
#   docker/run_without_docker.sh IMAGE [ARGUMENTS]
#
# FOLDER is the folder that the container sees as /work, by default the one that you stand in; the image's user has
# to have the right to write there. Variables named CHAINRULE_... are handed on. Buildah's isolation by chroot holds
# files apart and no more: the container shares this machine's network and sees its processes.
set -euo pipefail

if [[ $# -lt 1 ]]; then
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 2
fi
image=$1
shift
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs

mapfile -t entry < <(buildah inspect --type image \
    --format '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}' "$image" | sed '/^$/d')
container=$(buildah from "$image")
trap 'buildah rm "$container" >/dev/null' EXIT
mapfile -t variables < <(compgen -e | grep '^CHAINRULE_' | sed 's/^/--env=/')
for k in "${!variables[@]}"; do
    name=${variables[k]#--env=}
    variables[k]+="=${!name}"
done
buildah run "${variables[@]}" --volume "${FOLDER:-$PWD}:/work" "$container" -- "${entry[@]}" "$@"
